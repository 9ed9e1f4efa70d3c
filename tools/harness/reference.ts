/** The reference program: what a learner's is compared with, on the same cores in the same run. */

import { fileURLToPath } from 'node:url'
import type { Program } from './program.ts'
import { settle } from './settle.ts'
import { shareOther } from './start.ts'

const script = fileURLToPath(new URL('./processes/reference.mjs', import.meta.url))

/**
 * `/render` as one process (0 workers) or as a plain cluster, `/words?visitor=`: countWords of that page, `/report`:
 * `{ words }` of 40 pages in one synchronous go, and `/`, which does nothing.
 */
export async function startReference(workers: number): Promise<Program> {
  const program = await shareOther(script, { workers })
  await settle(program, workers)
  return program
}

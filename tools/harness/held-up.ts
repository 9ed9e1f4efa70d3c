/** A service that waits for another process for so long and no longer answers 503. A busy machine makes it do so, too. */

import { Inconclusive, Mismatch } from './problems.ts'
import type { Program } from './program.ts'
import { takenBetween } from './usage.ts'

/** What a deadline of a second or more inside of a program bears. */
const BEARABLE_MS = 500

/**
 * Tells this story of the program. Where it ends with a 503 that should not have come, and this machine kept the
 * program from its cores meanwhile, it is Inconclusive: the program's own deadline may have passed in that time.
 */
export async function unlessHeldUp(program: Program, story: () => Promise<void>): Promise<void> {
  const before = await program.usage()
  try {
    await story()
  } catch (error) {
    if (!(error instanceof Mismatch) || !/\b503\b/.test(error.finding.got)) throw error
    const took = takenBetween(before, await program.usage())
    if (took < BEARABLE_MS) throw error
    throw new Inconclusive(
      `A request was answered 503, while this machine kept the program from its cores for ${(took / 1_000).toFixed(1)} s: its own deadline may have passed. Close what else is running and check again.`,
    )
  }
}

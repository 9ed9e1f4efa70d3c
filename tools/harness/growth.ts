/** How the heaps of a program's workers grow with the requests that they answer. */

import { heapOf } from './faults.ts'
import { Mismatch } from './problems.ts'
import type { Program } from './program.ts'

const CLIENTS = 8
/** Until caches are warm and hot code is compiled: this part of the requests that are measured. */
const WARM_UP = 0.25

/**
 * By how many bytes the heaps of all workers together have grown after so many requests, with collections before and
 * after. The paths are asked in turns; one that does not end with `/` gets a number that no other has. A Mismatch when
 * another worker listens at the end than at the beginning.
 */
export async function heapGrowth(
  program: Program,
  {
    requests,
    paths,
    read,
  }: { readonly requests: number; readonly paths: readonly string[]; readonly read: string },
): Promise<number> {
  let count = 0
  const ask = async (more: number): Promise<void> => {
    const end = count + more
    const client = async (): Promise<void> => {
      while (count < end) {
        count += 1
        const path = paths[count % paths.length] ?? '/'
        // Half of them say who they are: what is kept for one kind of request only is seen, too.
        const headers: Record<string, string> = count % 2 === 0 ? { 'x-request-id': `growth-${count}` } : {}
        const answer = await program.fetch(path.endsWith('/') ? path : `${path}${count}`, { headers })
        if (!answer.ok) await program.mustBeAlive()
      }
    }
    await Promise.all(Array.from({ length: CLIENTS }, client))
    await program.quiet(150)
  }
  const held = async (): Promise<number> => {
    const heaps = await Promise.all(program.listening.map((worker) => heapOf(program, worker)))
    return heaps.reduce((sum, heap) => sum + (heap === undefined ? 0 : heap.heapUsed + heap.external), 0)
  }
  const pids = (): string => program.listening.map(({ pid }) => pid).join(' ')
  await ask(requests * WARM_UP)
  const before = { pids: pids(), held: await held() }
  await ask(requests)
  const after = { pids: pids(), held: await held() }
  if (after.pids === before.pids) return after.held - before.held
  throw new Mismatch({
    expected: `the same workers answer ${requests} requests`,
    got: 'some were replaced meanwhile',
    likely: 'they grow so fast that they are retired, or they crash',
    read,
    repeat: program.command,
  })
}

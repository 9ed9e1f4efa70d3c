/** A program that kills workers which do not turn kills some of those, too, that a busy machine keeps from turning. */

import { setTimeout as sleep } from 'node:timers/promises'
import { Inconclusive, Mismatch } from './problems.ts'
import type { Program } from './program.ts'
import { takenBetween, type Usage } from './usage.ts'

/** Between two looks at how long the program's processes have waited for a core. */
const LOOK_MS = 250
/** A worker may be busy for two fifths of HANG_MS; the rest is what the machine has to take for it to pass for hung. */
const SHARE = 0.6

/**
 * Tells this story of the program, which kills a worker whose event loop has not turned for `hangMs`. Where the story
 * ends in a Mismatch, a worker was killed that no check has killed, and within `hangMs` this machine kept one of the
 * program's processes waiting for a core for most of that time, it is Inconclusive.
 */
export async function unlessTakenForHung(
  program: Program,
  hangMs: number,
  story: () => Promise<void>,
): Promise<void> {
  const from = program.lastSeq
  const looks: Usage[] = []
  let over = false
  const looking = (async () => {
    while (!over) {
      // One that has ended meanwhile cannot be looked at.
      const look = await program.usage().catch(() => undefined)
      if (look !== undefined) looks.push(look)
      await sleep(LOOK_MS)
    }
  })()
  try {
    await story()
  } catch (error) {
    if (!(error instanceof Mismatch) || !hasKilled(program, from)) throw error
    const waited = longestWait(looks, hangMs)
    if (waited < SHARE * hangMs) throw error
    throw new Inconclusive(
      `A worker was killed, and this machine kept the program from its cores for ${(waited / 1_000).toFixed(1)} s of ${(hangMs / 1_000).toFixed(1)} s: whoever looks for hung workers may have taken it for one. Close what else is running and check again.`,
    )
  } finally {
    over = true
    await looking
  }
}

/** Whether a worker has died of SIGKILL since, and it was not the check that sent it. */
function hasKilled(program: Program, since: number): boolean {
  const ours = new Set(
    program.deeds.all.flatMap((deed) =>
      deed.type === 'signal' && deed.signal === 'SIGKILL' ? [deed.pid] : [],
    ),
  )
  return program
    .eventsOf('exit')
    .some(({ seq, signal, workerPid }) => seq > since && signal === 'SIGKILL' && !ours.has(workerPid))
}

/**
 * The longest that the main thread of one process waited for a core, between any two looks that are no further apart
 * than the window, or follow each other. Where the kernel does not tell, as long as there was no idle core. In ms.
 */
export function longestWait(looks: readonly Usage[], windowMs: number): number {
  let longest = 0
  for (const [index, earlier] of looks.entries()) {
    for (const [distance, later] of looks.slice(index + 1).entries()) {
      if (distance > 0 && later.at - earlier.at > windowMs) break
      longest = Math.max(longest, waitBetween(earlier, later))
    }
  }
  return longest
}

/** Of the processes that were there at both looks: one that has begun meanwhile was not kept from turning before. */
function waitBetween(before: Usage, after: Usage): number {
  const there = new Set(before.processes.map(({ pid }) => pid))
  return takenBetween(before, { ...after, processes: after.processes.filter(({ pid }) => there.has(pid)) })
}

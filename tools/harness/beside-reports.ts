/** How long light requests take beside reports, against a plain cluster on the same cores in the same run. */

import { fileURLToPath } from 'node:url'
import { note } from './check.ts'
import { describeFailures, keepAsking } from './clients.ts'
import { pause } from './patience.ts'
import { Inconclusive, Mismatch } from './problems.ts'
import type { Program } from './program.ts'
import { settle } from './settle.ts'
import { quantile } from './share.ts'
import { shareOther } from './start.ts'

const script = fileURLToPath(new URL('./processes/round-robin.mjs', import.meta.url))

/** More than two reports long. */
const SLICE_MS = 700
/** Of slices. The first is enough where the case is clear; otherwise two more each time that they do not tell. */
const MOST_PAIRS = 9
/** So many light requests that a twentieth of them is not just the slowest one. */
const ENOUGH = 60
/** A plain cluster's light requests wait for a whole report now and then; where they do not, nothing is compared. */
const LEAST_WAIT_MS = 100
/** Between these, a ratio that asks for 1/3 is a close call. */
const CLEARLY_BELOW = 1 / 4
const FAR_BELOW = 1 / 8
const CLEARLY_ABOVE = 1 / 2

/** `/` and `/report` of so many workers under Node's round robin. */
export async function startRoundRobin(workers: number): Promise<Program> {
  const program = await shareOther(script, { workers })
  await settle(program, workers)
  return program
}

/**
 * One client asks for `/`, one request at a time over a fresh connection each, beside one that asks for reports back to
 * back. The 95th percentile of the light requests is at most a third of what it is on a plain cluster of as many
 * workers. The two take turns, in mirrored order.
 *
 * Whoever picks a worker without looking picks the busy one every n-th time, and then waits for most of a report: far
 * more than 5 % of its requests do. Whoever looks never does. So the percentiles lie far apart, and neither depends on
 * how many requests there were.
 */
export async function expectPromptBesideReports(
  program: Program,
  workers: number,
  advice: { readonly likely: string; readonly read: string },
): Promise<void> {
  await using plain = await startRoundRobin(workers)
  const theirs: number[] = []
  const yours: number[] = []
  const ratio = (): number => p95(yours) / p95(theirs)
  for (let pair = 1; pair <= MOST_PAIRS; pair += 1) {
    const turns = [
      async () => theirs.push(...(await lightBesideReports(plain))),
      async () => yours.push(...(await lightBesideReports(program))),
    ]
    for (const turn of pair % 2 === 0 ? turns.toReversed() : turns) await turn()
    if (pair === 1 && yours.length >= ENOUGH && ratio() < FAR_BELOW) break
    if (pair % 2 === 1 && pair > 1 && (ratio() < CLEARLY_BELOW || ratio() > CLEARLY_ABOVE)) break
  }
  const [mine, others] = [p95(yours).toFixed(0), p95(theirs).toFixed(0)]
  if (p95(theirs) < LEAST_WAIT_MS) {
    throw new Inconclusive(
      `On a plain cluster the light requests were hardly kept waiting (${others} ms), so there is nothing to compare with.`,
    )
  }
  note(
    `Beside reports, 95 % of the light requests took at most ${mine} ms; on a plain cluster, ${others} ms.`,
  )
  if (ratio() <= 1 / 3) return
  throw new Mismatch({
    expected: `while one worker is busy with a report, the light requests go to another: 95 % of them take at most a third of the ${others} ms that they take on a plain cluster here`,
    got: `${mine} ms`,
    ...advice,
    repeat: program.commandWith('/report'),
  })
}

/** The times of the light requests of one slice, ms on the patient clock; those that the end of the slice cuts are whole. */
async function lightBesideReports(program: Program): Promise<readonly number[]> {
  const reports = keepAsking(program.port, '/report')
  await pause(60)
  const light = keepAsking(program.port, '/')
  await pause(SLICE_MS)
  const [answers, heavy] = await Promise.all([light.stop(), reports.stop()])
  const failures = describeFailures([...answers, ...heavy])
  if (failures !== '') {
    await program.mustBeAlive()
    throw new Mismatch({
      expected: '/ and /report are answered 200, also at the same time',
      got: failures,
      read: 'the-contract',
      repeat: program.commandWith('/report'),
    })
  }
  return answers.map(({ ms }) => ms)
}

function p95(times: readonly number[]): number {
  return quantile(times, 0.95)
}

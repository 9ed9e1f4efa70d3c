/** A rolling restart under load: what the clients get of it, and how many workers listen meanwhile. */

import { fileURLToPath } from 'node:url'
import { keepAsking, type Asked } from './clients.ts'
import { Inconclusive, Mismatch } from './problems.ts'
import { patientNow, seconds, until } from './patience.ts'
import type { Program } from './program.ts'
import { settle } from './settle.ts'
import { decide, estimateRatio, LAST_LOOK, type Round } from './share.ts'
import { shareOther } from './start.ts'
import { takenBetween } from './usage.ts'

/** More than the workers can answer at once, so that none is idle for want of a request. */
const CLIENTS_PER_WORKER = 3

export interface Reload {
  /** Whether every worker of before has gone and as many listen, within 30 s. */
  readonly complete: boolean
  readonly results: readonly Asked[]
  /** Whole answers a second, from the order to the end. */
  readonly rate: number
  /** The longest time between two answers, ms, and how much of it this machine may have taken. */
  readonly gap: number
  readonly took: number
  /** The least number of workers that listened and had not begun to close. */
  readonly fewest: number
}

/** Asks for pages over fresh connections, gives the order, and watches until every worker is another. */
export async function reloadUnderLoad(program: Program, order: () => Promise<unknown>): Promise<Reload> {
  program.harmed = true
  const old = program.listening.map(({ pid }) => pid)
  const clients = CLIENTS_PER_WORKER * old.length
  let asked = 0
  const asking = keepAsking(program.port, () => `/render?visitor=reload-${(asked += 1)}`, { clients })
  try {
    await until(() => asking.results.length >= 2 * clients || undefined, { within: seconds(10) })
    const since = program.events.length
    const before = await program.usage()
    const begun = patientNow()
    await order()
    const isOver = (): true | undefined => {
      const left = program.workers.filter(({ pid, state }) => state !== 'gone' && old.includes(pid))
      return left.length === 0 && program.listening.length >= old.length ? true : undefined
    }
    const complete = (await program.until(isOver, { within: seconds(30) })) === true
    const ended = patientNow()
    const took = takenBetween(before, await program.usage())
    const results = await asking.stop()
    const times = results
      .filter(({ ok, endedAt }) => ok && endedAt > begun && endedAt <= ended)
      .map((one) => one.endedAt)
    return {
      complete,
      results,
      rate: (times.length / (ended - begun)) * 1_000,
      gap: longestGap([begun, ...times, ended]),
      took,
      fewest: fewestListening(program, old, since),
    }
  } finally {
    await asking.stop()
  }
}

function longestGap(times: readonly number[]): number {
  return Math.max(...times.slice(1).map((time, index) => time - (times[index] ?? time)))
}

/** By the processes' own clocks: what they report arrives in another order now and then. */
function fewestListening(program: Program, before: readonly number[], since: number): number {
  const listening = new Set(before)
  let fewest = listening.size
  for (const event of program.events.slice(since).toSorted((one, other) => one.at - other.at)) {
    if (event.type === 'listening') listening.add(event.workerPid)
    else if (event.type === 'server-closing' || event.type === 'gone') listening.delete(event.pid)
    else if (event.type === 'exit') listening.delete(event.workerPid)
    fewest = Math.min(fewest, listening.size)
  }
  return fewest
}

const script = fileURLToPath(new URL('./processes/reloading-reference.mjs', import.meta.url))

/** The reference with a rolling restart at SIGHUP. */
export async function startReloadingReference(workers: number): Promise<Program> {
  const program = await shareOther(script, { workers })
  await settle(program, workers)
  return program
}

/**
 * While it reloads, the program answers at least this part of what a reference answers while that one reloads; the
 * two take turns, and the test of share.ts decides. `started`: a program with so many workers.
 */
export async function keepsPaceInReload(
  program: Program,
  least: number,
  { likely, read }: { readonly likely: string; readonly read: string },
): Promise<void> {
  const reference = await startReloadingReference(program.listening.length)
  await using _ = reference
  const hangUp = (one: Program) => reloadUnderLoad(one, () => one.signal('SIGHUP'))
  const rounds: Round[] = []
  for (;;) {
    const turns = rounds.length % 2 === 0 ? [reference, program] : [program, reference]
    const rates = new Map<Program, number>()
    for (const one of turns) rates.set(one, (await hangUp(one)).rate)
    const [one = 0, yours = 0] = [rates.get(reference), rates.get(program)]
    rounds.push({ one, ideal: one, yours })
    const ratio = estimateRatio(rounds)
    const decision = decide(ratio, least, rounds.length)
    if (decision === 'above') return
    if (decision === 'below') {
      throw new Mismatch({
        expected: `during a reload at least ${least} of the answers a second that a plain reload gives here`,
        got: `${ratio.share.toFixed(2)} of them (surely between ${ratio.low.toFixed(2)} and ${ratio.high.toFixed(2)})`,
        likely,
        read,
        repeat: program.command,
      })
    }
    if (rounds.length === LAST_LOOK) {
      throw new Inconclusive(
        `After ${LAST_LOOK} reloads the rate lies between ${ratio.low.toFixed(2)} and ${ratio.high.toFixed(2)} of the reference's, with ${least} among them: this machine is too busy to tell.`,
      )
    }
  }
}

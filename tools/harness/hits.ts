/** Hits as a check has made them, against those that a program tells: `/` counts one, `/stats` tells them. */

import { describeAnswer, jsonOf, type Answer, type NoAnswer } from './http.ts'
import { pause, seconds } from './patience.ts'
import { Mismatch } from './problems.ts'
import type { Program } from './program.ts'
import type { Advice, Scene } from './scene.ts'
import type { Worker } from './workers.ts'

/** By worker id. A program goes from check to check, and its hits with it. */
const ledgers = new WeakMap<Program, Map<string, number>>()

export interface Stats {
  readonly total: number
  readonly perWorker: Readonly<Record<string, unknown>>
}

/** Whoever gave this answer to `/` has one hit more. */
export function countHit({ program }: Scene, { servedBy }: Answer): void {
  const ledger = ledgerOf(program)
  const worker = String(servedBy?.worker ?? 0)
  ledger.set(worker, (ledger.get(worker) ?? 0) + 1)
}

export function totalOf({ program }: Scene): number {
  return [...ledgerOf(program).values()].reduce((sum, count) => sum + count, 0)
}

/** So many hits, one after another, to this worker. Each is sent once, and counted for whoever answers. */
export async function hit(scene: Scene, worker: Worker, times: number): Promise<void> {
  await scene.ask(worker, '/banner') // an idle connection may be about to close
  for (let time = 0; time < times; time += 1) {
    const answer = await scene.program.fetch('/', { agent: scene.to.agentOf(worker) })
    if (!answer.ok || answer.status !== 200) {
      throw new Mismatch({
        expected: 'GET / answers 200',
        got: describeAnswer(answer),
        read: 'the-contract',
        repeat: scene.program.commandWith('/'),
      })
    }
    countHit(scene, answer)
  }
}

/** The total that this worker tells: the right one as soon as it does, or what it told last when 1 s is over. */
export async function totalSeenBy(scene: Scene, worker: Worker): Promise<number> {
  let last = NaN
  const look = async (): Promise<true | undefined> => {
    last = statsIn(scene.program, await scene.ask(worker, '/stats')).total
    return last === totalOf(scene) || undefined
  }
  await scene.program.eventually(look, { within: seconds(1) })
  return last
}

/** Every worker tells the exact numbers within 1 s, and goes on so. */
export async function expectExactStats(scene: Scene, advice: Advice): Promise<void> {
  const { program } = scene
  const answers = (): Promise<readonly (readonly [Worker, Answer | NoAnswer])[]> =>
    Promise.all(program.listening.map(async (worker) => [worker, await scene.ask(worker, '/stats')] as const))
  const look = async (): Promise<true | undefined> =>
    (await answers()).every(([, answer]) => isExact(program, statsIn(program, answer))) || undefined
  await program.eventually(look, { within: seconds(1) })
  await pause(150) // not only in passing
  for (const [worker, answer] of await answers()) expectExact(scene, worker, answer, advice)
}

/** This answer of a worker tells the exact numbers. */
export function expectExact(
  { program }: Scene,
  worker: Worker,
  answer: Answer | NoAnswer,
  advice: Advice,
): void {
  const stats = statsIn(program, answer)
  if (isExact(program, stats)) return
  const ledger = ledgerOf(program)
  const perWorker = Object.fromEntries(ledger)
  const total = [...ledger.values()].reduce((sum, count) => sum + count, 0)
  throw new Mismatch({
    expected: `1 s after the last hit, /stats says ${JSON.stringify({ total, perWorker })}`,
    got: `worker ${worker.id} says ${JSON.stringify(stats)}`,
    read: advice.read,
    likely: advice.likely ?? likelyMiscount({ total, own: ledger.get(String(worker.id)) ?? 0 }, stats.total),
    repeat: program.commandWith('/stats'),
  })
}

/** The stats in an answer, or a Mismatch that says what came. */
export function statsIn(program: Program, answer: Answer | NoAnswer): Stats {
  const { total, perWorker } = (answer.ok && jsonOf(answer)) || {}
  if (answer.ok && answer.status === 200 && isCount(total) && isCounts(perWorker)) return { total, perWorker }
  throw new Mismatch({
    expected: 'GET /stats answers 200, JSON { "total": n, "perWorker": { "<id>": n } } with whole numbers',
    got: describeAnswer(answer),
    read: 'the-contract',
    repeat: program.commandWith('/stats'),
  })
}

/** What a wrong total usually means. `own`: the hits of the worker that told it. */
export function likelyMiscount(hits: { readonly total: number; readonly own: number }, told: number): string {
  if (told === hits.total) return 'the total is right, but hits are put down to the wrong workers'
  if (told === hits.own)
    return 'each worker tells its own count: workers share no memory, so somebody has to add them up'
  if (told === 2 * hits.total)
    return 'each hit is counted twice: a message is heard on the worker and on cluster'
  return told > hits.total
    ? 'some hits are counted more than once, or requests count that are not for /'
    : 'some hits were not told in time, or one number overwrites another'
}

function ledgerOf(program: Program): Map<string, number> {
  const ledger = ledgers.get(program) ?? new Map<string, number>()
  ledgers.set(program, ledger)
  return ledger
}

function isExact(program: Program, { total, perWorker }: Stats): boolean {
  const ledger = ledgerOf(program)
  const ids = new Set([...ledger.keys(), ...Object.keys(perWorker)])
  const sum = [...ledger.values()].reduce((all, count) => all + count, 0)
  return total === sum && [...ids].every((id) => (perWorker[id] ?? 0) === (ledger.get(id) ?? 0))
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0
}

function isCounts(value: unknown): value is Stats['perWorker'] {
  return typeof value === 'object' && value !== null && Object.values(value).every(isCount)
}

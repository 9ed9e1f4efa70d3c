/** Measures the share of the available speed-up: three programs take turns under load. See share.ts for the test. */

import { measured, note, tellLive, tellTrial } from './check.ts'
import { measureFor } from './gauge.ts'
import type { Slice } from './grading.ts'
import { cores } from './plans.ts'
import { Inconclusive, Mismatch } from './problems.ts'
import type { Program } from './program.ts'
import {
  decide,
  decideShare,
  estimateRatio,
  estimateShare,
  estimateSpeedUp,
  FIRST_LOOK,
  LAST_LOOK,
  LEAST_COST,
  mean,
  type Estimate,
  type Round,
} from './share.ts'
import { measureSlice, openLoad, type Headers, type Load, type Measured } from './slices.ts'
import { startReference } from './reference.ts'
import { session, workersAskedFor } from './session.ts'
import { endIdle } from './start.ts'
import type { Throughput } from './verdict.ts'

/** More workers than these would measure the load generator. */
const WORKERS_LIMIT = 8
/** Below this the reference cluster itself gains too little for a share of it to mean anything. */
const LEAST_SPEED_UP = 1.2

/** How many workers a throughput claim is measured with. */
export function workersUnderLoad(): number {
  return workersAskedFor() ?? Math.min(cores(), WORKERS_LIMIT)
}

type Slices = Readonly<Record<Slice['program'], readonly Measured[]>>

interface Rounds {
  readonly undisturbed: readonly Round[]
  /** What an answer cost in each. */
  readonly costs: readonly Round[]
  readonly slices: Slices
}

type Judge = (rounds: readonly Round[], costs: readonly Round[]) => boolean

/**
 * The program gets at least this share of the speed-up that a reference cluster of the same size gets on these cores.
 * Throws Inconclusive on one core, where there is none, and where LAST_LOOK rounds do not tell.
 */
export async function expectShare(
  program: Program,
  threshold: number,
  read: string,
  headers: Headers = {},
): Promise<void> {
  const workers = workersUnderLoad()
  if (workers < 2 || cores() < 2) {
    throw new Inconclusive(
      'This machine lets the workshop use one core, so there is no speed-up to take a share of. All that could be checked without a second core holds.',
    )
  }
  const isOver: Judge = (so, costs) => {
    const none = so.length >= 6 && estimateSpeedUp(so).high < LEAST_SPEED_UP
    return none || decideShare(so, costs, threshold) !== 'more'
  }
  const rounds = await measure(program, workers, isOver, { headers })
  const estimate = estimateShare(rounds.undisturbed)
  report(rounds, threshold, estimate, workers)
  const decision = decideShare(rounds.undisturbed, rounds.costs, threshold)
  if (decision === 'cheap') refuseCheapPages(program, rounds)
  refuseWithoutSpeedUp(rounds)
  if (decision === 'more') throw new Inconclusive(undecidedShare(estimate, threshold, rounds))
  if (decision === 'above') return refuseTurnsInACrowd(program, rounds, threshold)
  const { parallel, efficiency } = account(rounds)
  throw new Mismatch({
    expected: `at least ${threshold} of the speed-up that a plain cluster of ${workers} workers gets here`,
    got: `${estimate.share.toFixed(2)} of it (surely between ${estimate.low.toFixed(2)} and ${estimate.high.toFixed(2)}): ${describeRates(rounds)}`,
    likely: likelyLoss(parallel, efficiency, workers),
    read,
    repeat: program.command,
  })
}

function refuseCheapPages(program: Program, { costs }: Rounds): never {
  throw new Mismatch({
    expected: 'every page is rendered for its request, under load too',
    got: `an answer cost ${estimateRatio(costs).share.toFixed(2)} of the CPU time of one render`,
    likely: 'pages are kept from one request to the next, or put together from one that was rendered before',
    read: 'the-contract',
    repeat: program.command,
  })
}

/**
 * The program uses one core as well as the reference's one process does (at least this ratio of its rate), and no
 * more than one (at most this share of what a cluster would add).
 */
export async function expectOneCore(
  program: Program,
  { ratio, share }: { readonly ratio: number; readonly share: number },
  read: string,
): Promise<void> {
  const workers = Math.max(2, workersUnderLoad())
  const alone = cores() === 1
  const rounds = await measure(
    program,
    workers,
    (so) => {
      const full = decide(estimateRatio(so), ratio, so.length)
      const more = alone ? 'below' : decide(estimateRatio(so), mostRatio(so, share), so.length)
      return full === 'below' || more === 'above' || (full === 'above' && more === 'below')
    },
    { clusterRounds: FIRST_LOOK },
  )
  const count = rounds.undisturbed.length
  const full = estimateRatio(rounds.undisturbed)
  const most = mostRatio(rounds.undisturbed, share)
  report(rounds, share, estimateShare(rounds.undisturbed), workers)
  if (decide(full, ratio, count) === 'below') {
    throw new Mismatch({
      expected: `at least ${ratio} of the rate that one plain process reaches here`,
      got: `${full.share.toFixed(2)} of it: ${describeRates(rounds)}`,
      likely: 'a request does more work than one render, or the process waits while it could work',
      read,
      repeat: program.command,
    })
  }
  if (!alone && decide(full, most, count) === 'above') {
    throw new Mismatch({
      expected: 'the throughput of one core: this lesson is the baseline',
      got: `${full.share.toFixed(2)} times the rate of one plain process: ${describeRates(rounds)}`,
      likely: 'pages are kept from one request to the next, or other processes or threads render them',
      read,
      repeat: program.command,
    })
  }
  if (decide(full, ratio, count) === 'more') throw new Inconclusive(undecided(full, ratio, rounds))
  if (!alone && decide(full, most, count) === 'more') throw new Inconclusive(undecided(full, most, rounds))
  const speedUp =
    mean(rounds.undisturbed.map((round) => round.ideal)) / mean(rounds.undisturbed.map((round) => round.one))
  note(`A cluster of ${workers} workers reaches ${speedUp.toFixed(2)} times this rate on the same cores.`)
}

/** The ratio to one process that this share of a cluster's gain comes to. */
function mostRatio(rounds: readonly Round[], share: number): number {
  return 1 + share * (estimateSpeedUp(rounds).share - 1)
}

async function measure(
  yours: Program,
  workers: number,
  isOver: Judge,
  options: TurnOptions,
): Promise<Rounds> {
  await endIdle()
  const [first, second, third] = await Promise.all([startReference(0), startReference(workers), openLoad()])
  await using one = first
  await using ideal = second
  await using load = third
  const programs = { one, ideal, yours }
  for (const name of order) await warmUp(load, programs[name])
  const { trials = 0 } = session()
  for (let trial = 0; trial < trials; trial += 1) {
    const started = performance.now()
    const { undisturbed, costs, slices } = await takeTurns(load, programs, isOver, options)
    await tellTrial({ rounds: undisturbed, costs, ms: Math.round(performance.now() - started), slices })
  }
  // Awaited here: the programs end with this function.
  return await takeTurns(load, programs, isOver, options)
}

const order = ['one', 'ideal', 'yours'] as const

interface TurnOptions {
  readonly headers?: Headers
  /** So many with the reference cluster; where little depends on it, these stand for the later ones, too. */
  readonly clusterRounds?: number
}

/** Rounds until the test is over, or LAST_LOOK of them. */
async function takeTurns(
  load: Load,
  programs: Readonly<Record<Slice['program'], Program>>,
  isOver: Judge,
  { headers, clusterRounds = LAST_LOOK }: TurnOptions,
): Promise<Rounds> {
  const slices: Record<Slice['program'], Measured[]> = { one: [], ideal: [], yours: [] }
  let undisturbed: readonly Round[] = []
  let costs: readonly Round[] = []
  while (undisturbed.length < LAST_LOOK) {
    // Mirrored order: a drift of the machine's speed cancels over two rounds.
    for (const name of undisturbed.length % 2 === 0 ? order : order.toReversed()) {
      if (name === 'ideal' && undisturbed.length >= clusterRounds) continue
      const slice = await measureSlice(load, programs[name], name, headers)
      slices[name].push(slice)
      await tellLive({ program: name, rate: slice.rate, round: undisturbed.length + 1 } satisfies Slice)
    }
    undisturbed = roundsIn(slices, (slice) => slice.wanted)
    costs = costsIn(slices)
    if (isOver(undisturbed, costs)) break
  }
  return { undisturbed, costs, slices }
}

/** The rounds by what the cores that the programs could have used would have brought; see share.ts. */
function roundsIn(slices: Slices, coresOf: (slice: Measured) => number): readonly Round[] {
  const cost = costIn(slices)
  return byRound(slices, (slice) => coresOf(slice) / cost([slice]))
}

/** The rounds by what an answer cost. */
function costsIn(slices: Slices): readonly Round[] {
  const cost = costIn(slices)
  return byRound(slices, (slice) => cost([slice]))
}

function byRound(slices: Slices, value: (slice: Measured) => number): readonly Round[] {
  const of = (slice: Measured | undefined): number => (slice === undefined ? 0 : value(slice))
  return slices.yours.map((yours, round) => ({
    one: of(slices.one[round]),
    ideal: of(slices.ideal[round % slices.ideal.length]),
    yours: of(yours),
  }))
}

/** What an answer costs, in a unit that all slices share. */
function costIn(slices: Slices): (some: readonly Measured[]) => number {
  const spent = measureFor(Object.values(slices).flat())
  return (some) => mean(some.map(spent)) / mean(some.map(({ answers }) => answers))
}

const WARM_UP_MS = 450

/** Lets every worker compile its hot code (some 50 pages), so that the first round is like the others. */
async function warmUp(load: Load, program: Program): Promise<void> {
  await program.gauge(true)
  await load.slice(program, WARM_UP_MS)
}

function report(rounds: Rounds, threshold: number, estimate: Estimate, workers: number): void {
  const rate = (name: Slice['program']): number => mean(rounds.slices[name].map((slice) => slice.rate))
  const [one, ideal, yours] = [rate('one'), rate('ideal'), rate('yours')]
  const { parallel, efficiency } = account(rounds)
  const result: Throughput = {
    one: round(one, 1),
    ideal: round(ideal, 1),
    yours: round(yours, 1),
    share: round((yours - one) / (ideal - one), 2),
    low: round(estimate.low, 2),
    high: round(estimate.high, 2),
    threshold,
    parallel: round(parallel, 2),
    efficiency: round(efficiency, 2),
    rounds: rounds.undisturbed.length,
    workers,
    accounted: round(estimate.share, 2),
  }
  measured(result)
  const generator = mean(
    Object.values(rounds.slices).flatMap((slices) => slices.map((slice) => slice.generatorShare)),
  )
  if (generator > 0.85) {
    note(
      `The load generator used ${Math.round(generator * 100)} % of a core: faster programs could not be told apart.`,
    )
  }
}

/** Over all rounds: how many processes carried the load, and what an answer cost against the reference. */
function account(rounds: Rounds): { readonly parallel: number; readonly efficiency: number } {
  const cost = costIn(rounds.slices)
  const byProcess = new Map<number, number>()
  for (const slice of rounds.slices.yours) {
    for (const [pid, cpuMs] of slice.cpuByProcess) byProcess.set(pid, (byProcess.get(pid) ?? 0) + cpuMs)
  }
  const all = [...byProcess.values()]
  const sum = all.reduce((total, cpuMs) => total + cpuMs, 0)
  return { parallel: sum / Math.max(...all), efficiency: cost(rounds.slices.one) / cost(rounds.slices.yours) }
}

function refuseWithoutSpeedUp(rounds: Rounds): void {
  const speedUp = estimateSpeedUp(rounds.undisturbed)
  if (speedUp.share >= LEAST_SPEED_UP) return
  throw new Inconclusive(
    `A plain cluster reaches only ${speedUp.share.toFixed(2)} times the rate of one process here, so there is hardly a speed-up to take a share of. The cores may be two halves of one, or a quota may hold them back.`,
  )
}

/** The reference's one process wanted a core for so many times as long as it had one: several others wanted it, too. */
const CROWD = 2

/**
 * Workers that take turns look for theirs every few milliseconds. Where many programs want the cores, each such look
 * stands in the run queue as long as a render would, and passes for work. Then what they would have run without that
 * queue is looked at as well; where the two contradict each other, nothing can be said. A proxy is left out: while its
 * primary waits for a core its workers sleep, which is no fault of theirs.
 */
function refuseTurnsInACrowd(program: Program, { slices }: Rounds, threshold: number): void {
  const times = (name: Slice['program'], what: 'wanted' | 'cores'): number =>
    mean(slices[name].map((slice) => slice[what]))
  if (times('one', 'wanted') < CROWD * times('one', 'cores')) return
  const cpu = slices.yours.map(({ cpuByProcess, cpuMs }) => (cpuByProcess.get(program.pid) ?? 0) / cpuMs)
  if (mean(cpu) > 0.1) return
  const { share } = estimateShare(roundsIn(slices, (slice) => slice.alone))
  if (share >= threshold) return
  throw new Inconclusive(
    'So many programs want the cores that workers which take turns could not be told from workers which wait for a core. Close what you can and check again.',
  )
}

function undecidedShare(estimate: Estimate, threshold: number, rounds: Rounds): string {
  const { undisturbed, costs } = rounds
  return decide(estimate, threshold, undisturbed.length) === 'above'
    ? undecided(estimateRatio(costs), LEAST_COST, rounds)
    : undecided(estimate, threshold, rounds)
}

function undecided(estimate: Estimate, threshold: number, rounds: Rounds): string {
  return `After ${rounds.undisturbed.length} rounds the value lies between ${estimate.low.toFixed(2)} and ${estimate.high.toFixed(2)}, with the bound of ${threshold.toFixed(2)} among them. Other programs use the cores, or it is a close call: close what you can and check again.`
}

function likelyLoss(parallel: number, efficiency: number, workers: number): string {
  if (parallel < 1.3) return 'one process does all the work: the others get no connections, or pass them on'
  if (efficiency < 0.75)
    return 'a request costs more CPU time than one render: work is done twice, or handed around'
  if (parallel < workers * 0.7)
    return `the load is carried by ${parallel.toFixed(1)} processes, not by ${workers}`
  return 'workers wait while requests queue: a lock, a turn, or a timer stands between them'
}

function describeRates(rounds: Rounds): string {
  const rate = (name: Slice['program']): string =>
    mean(rounds.slices[name].map((slice) => slice.rate)).toFixed(0)
  return `one process served ${rate('one')} requests a second, the plain cluster ${rate('ideal')}, yours ${rate('yours')}`
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}

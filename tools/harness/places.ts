/** Heavy requests, reports, that a program admits to a place each: one in progress in a worker, and one that waits. */

import { holds } from './check.ts'
import { follow, type FollowedRequest } from './arrivals.ts'
import { describeFailures, keepAsking } from './clients.ts'
import { keptConnection } from './http.ts'
import { cpuOf, workLeft } from './leftover.ts'
import { pause, seconds } from './patience.ts'
import type { Program } from './program.ts'
import { quantile } from './share.ts'

/** The heavy request, and the anchors in the lesson's README that tell of admission and of clients that go. */
export interface Places {
  readonly path: string
  readonly admit: string
  readonly hangUp: string
}

/** How many were there at once, of those that came well before the first of them had ended. */
export function heldTogether(admitted: readonly FollowedRequest[]): number {
  const arrivals = admitted.map(({ arrivedAt = 0 }) => arrivedAt)
  const first = Math.min(...arrivals)
  const ended = Math.min(...admitted.map(({ closedAt = Infinity }) => closedAt))
  // Whoever comes just when a place is given back may have it.
  return arrivals.filter((at) => at < first + (ended - first) * 0.6).length
}

export function isRetryAfter(value: string | undefined): boolean {
  return value !== undefined && (/^\d+$/.test(value) || !Number.isNaN(Date.parse(value)))
}

export function statusesOf(requests: readonly FollowedRequest[]): string {
  const causes = requests.map(({ status, open }) =>
    status === undefined ? (open.failure ?? 'no answer') : `status ${status}`,
  )
  return [...new Set(causes)]
    .map((cause) => `${causes.filter((one) => one === cause).length} × ${cause}`)
    .join(', ')
}

export function repeatBurst(program: Program, path: string): string {
  return `${program.command} & sleep 2; for i in $(seq 12); do curl -so /dev/null -w '%{http_code} %{time_total}\\n' localhost:8000${path} & done; sleep 9; kill %1`
}

/** Two reports over connections that one worker holds, while another worker is idle. */
export async function runsOneInEach(program: Program, places: Places): Promise<void> {
  using first = await connectionTo(program)
  using second = await connectionTo(program, first?.pid)
  if (first === undefined || second === undefined) return
  const { pid } = first
  const cost = await cpuOf(program, () =>
    program.get(places.path, { within: seconds(20), read: places.admit }),
  )
  let part = 0
  const pair = async (): Promise<void> => {
    using one = await arrived(program, places, first.agent)
    using other = await arrived(program, places, second.agent)
    await Promise.all([one, other].map(({ open }) => open.untilOver(seconds(30))))
    const begun = one.arrivedAt ?? 0
    const ends = [one, other].map(({ status, closedAt = 0 }) => (status === 200 ? closedAt - begun : 0))
    part = Math.min(...ends) / Math.max(...ends)
  }
  const oneAfterTheOther = await mostOfThree(async () => {
    const both = await cpuOf(program, pair, pid)
    // Where one of them is refused the part is 0; where another worker does one, this worker's cost is that of one.
    return part < 0.8 || both < 1.5 * cost
  })
  holds(oneAfterTheOther, {
    expected: 'two reports that come to one worker are not in progress there at the same time',
    got: `the first was over after ${Math.round(part * 100)} % of the time of both`,
    likely: 'the places are counted for the whole cluster, so one worker can get two of them',
    read: places.admit,
    repeat: repeatBurst(program, places.path),
  })
}

/** What most of three rounds say, since a machine that stalls may blur one: the third is for two that differ. */
async function mostOfThree(round: () => Promise<boolean>): Promise<boolean> {
  const first = await round()
  return (await round()) === first ? first : round()
}

/** A kept connection, to this worker or to any; undefined where no connection gets to it. */
async function connectionTo(program: Program, wanted?: number) {
  for (let tries = 0; tries < 100; tries += 1) {
    const connection = keptConnection()
    const { servedBy } = await program.get('/', { agent: connection.agent, read: 'the-contract' })
    const pid = servedBy?.pid
    if (pid !== undefined && (wanted === undefined || pid === wanted)) return { ...connection, pid }
    connection[Symbol.dispose]()
  }
  return undefined
}

type Kept = ReturnType<typeof keptConnection>

async function arrived(program: Program, { path }: Places, agent?: Kept['agent']): Promise<FollowedRequest> {
  const request = follow(program, path, agent)
  await request.arrives()
  return request
}

/** Resolves to whether a second report waits, or is refused at once. */
export async function runsOneAtATime(program: Program, places: Places): Promise<boolean> {
  const advice = { read: places.admit, repeat: repeatBurst(program, places.path) }
  let part = 0
  let waits = true
  const threeAtOnce = async (): Promise<void> => {
    using first = await arrived(program, places)
    using second = await arrived(program, places)
    using third = await arrived(program, places)
    const all = [first, second, third]
    await Promise.all(all.map((one) => one.open.untilOver(seconds(30))))
    waits = !(first.status === 200 && second.status === 503)
    if (!waits) return
    // On a machine that stalls, the first may be over when the third comes.
    const isLate = (third.arrivedAt ?? 0) >= (first.closedAt ?? 0)
    holds(first.status === 200 && second.status === 200 && (third.status === 503 || isLate), {
      ...advice,
      expected: 'of three reports in one worker, one is in progress, one waits, and the third gets 503',
      got: all.map(({ status }) => status ?? 'no answer').join(', '),
      likely: 'places are not counted in each worker, or only when a report is over',
    })
    const [begun = 0, middle = 0, end = 0] = [first.arrivedAt, first.closedAt, second.closedAt]
    part = (middle - begun) / (end - begun)
  }
  const oneAfterTheOther = await mostOfThree(async () => {
    if (waits) await threeAtOnce()
    return !waits || part < 0.8
  })
  holds(oneAfterTheOther, {
    ...advice,
    expected: 'one worker does one report after the other: the first is over in half of the time of both',
    got: `it was over after ${Math.round(part * 100)} % of that time`,
    likely: 'both are in progress at once: each takes twice as long, and nobody gets an answer sooner',
  })
  return waits
}

/** Goes away, and waits until the worker knows. */
async function hangUp(program: Program, places: Places, request: FollowedRequest): Promise<void> {
  request[Symbol.dispose]()
  holds(await request.closes(seconds(10)), {
    expected: 'a worker notices that a client hangs up while its report runs',
    got: '10 s later it had not',
    likely: 'its event loop does not turn while a report runs',
    read: places.hangUp,
    repeat: repeatBurst(program, places.path),
  })
}

export async function freesWaitingPlace(program: Program, places: Places): Promise<void> {
  using running = await arrived(program, places)
  const waiting = await arrived(program, places)
  await hangUp(program, places, waiting)
  await pause(50)
  using next = await arrived(program, places)
  await Promise.all([running, next].map((one) => one.open.untilOver(seconds(30))))
  holds(running.status === 200 && next.status === 200, {
    expected: 'when a client that waits hangs up, the next one may wait in its place',
    got: `the report in progress: ${running.status ?? 'no answer'}, the next: ${next.status ?? 'no answer'}`,
    likely: 'a place to wait is given back only when its report has run',
    read: places.hangUp,
    repeat: repeatBurst(program, places.path),
  })
}

/**
 * When the client of the report in progress goes, its place is free, unless a machine that stalls lets a report end
 * before the next are there. `ms`: how long one takes alone.
 */
export async function freesItsPlace(
  program: Program,
  places: Places,
  { waits, ms }: { readonly waits: boolean; readonly ms: number },
): Promise<void> {
  const isFreed = await mostOfThree(async () => {
    await hangUp(program, places, await arrived(program, places))
    await pause(ms * 0.4)
    using next = await arrived(program, places)
    using last = waits ? await arrived(program, places) : next
    await Promise.all([next, last].map((one) => one.open.untilOver(seconds(30))))
    return next.status === 200 && last.status === 200
  })
  holds(isFreed, {
    expected: `when the client of the report in progress hangs up, ${waits ? 'one more can be in progress, and one can wait' : 'the next can be in progress'}`,
    got: 'the next was refused: the place was still taken',
    likely:
      'it is given back when the report is over, or never: the close of the request tells that the client has gone',
    read: places.hangUp,
    repeat: repeatBurst(program, places.path),
  })
}

/** After clients have gone, there are as many places as before, and no more: one that is too much is refused. */
export async function hasNoMorePlaces(
  program: Program,
  places: Places,
  { waits }: { readonly waits: boolean },
): Promise<void> {
  using first = await arrived(program, places)
  using _second = waits ? await arrived(program, places) : undefined
  using last = await arrived(program, places)
  await last.open.untilOver(seconds(30))
  // On a machine that stalls, the first may be over when the last comes.
  const isLate = (last.arrivedAt ?? 0) >= (first.closedAt ?? Infinity)
  holds(last.status === 503 || isLate, {
    expected: `after clients have hung up, of ${waits ? 'three' : 'two'} reports in one worker the last gets 503, as before`,
    got: String(last.status ?? 'no answer'),
    likely: 'a client that hangs up gives back two places: once when it goes, and once when its report ends',
    read: places.hangUp,
    repeat: repeatBurst(program, places.path),
  })
}

const CLIENTS_GONE = 12

/** A report that is worked on for nobody takes the core from those that have a place. */
export async function givesUpItsWork(program: Program, places: Places, cost: number): Promise<void> {
  for (let gone = 0; gone < CLIENTS_GONE; gone += 1) {
    const request = await arrived(program, places)
    await pause(5)
    await hangUp(program, places, request)
  }
  const bound = Math.max(4 * cost, 1_500)
  const left = await workLeft(program, 2 * bound)
  holds(left <= bound, {
    expected: 'a report whose client has gone is given up',
    got: `after ${CLIENTS_GONE} clients had gone, the program used ${(left / 1000).toFixed(1)} s of CPU time or more for their reports; one takes ${(cost / 1000).toFixed(1)} s`,
    likely:
      'the place is given back, but the loop that renders goes on, so that many are in progress at once',
    read: places.hangUp,
    repeat: repeatBurst(program, places.path),
  })
}

/** Two clients that ask for `/` beside four that ask for what is heavy: how slow the former are (95th percentile, ms). */
export async function askBesideHeavy(program: Program, path: string) {
  const heavy = keepAsking(program.port, path, { clients: 4, pauseMs: 20, within: seconds(30) })
  await pause(300)
  const light = keepAsking(program.port, '/', { clients: 2, pauseMs: 10, within: seconds(30) })
  await pause(2_500)
  const answers = await light.stop()
  const done = await heavy.stop()
  const times = answers.map(({ ms }) => ms)
  return {
    slow: quantile(times, 0.95),
    failures: describeFailures(answers),
    done: done.filter((answer) => answer.ok && answer.status === 200).length,
  }
}

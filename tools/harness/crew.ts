/** What a check may expect of all the workers of a program together: how many there are, which, and never how many. */

import { lifecycleSeen, mostAlive } from './lifecycle.ts'
import { untilListed, type ListedWorker } from './listed.ts'
import { patientNow, seconds } from './patience.ts'
import { Mismatch } from './problems.ts'
import type { Program } from './program.ts'
import type { LostWorker, Worker } from './workers.ts'

/**
 * Kills all that listen at once: as many others listen in time, and no more. Nothing but what the program means to do
 * keeps its primary alive meanwhile.
 *
 * @param within ms
 */
export async function replacesAll(
  program: Program,
  { within, read }: { readonly within: number; readonly read: string },
): Promise<void> {
  const lost = program.listening
  await Promise.all(lost.map((worker) => program.killOneWorker(worker)))
  const others = (): number =>
    program.listening.filter(({ pid }) => !lost.some((worker) => worker.pid === pid)).length
  await program.until(() => others() >= lost.length || undefined, { within })
  if (others() === lost.length) return
  throw new Mismatch({
    expected: `${lost.length} workers that die at once are all replaced, and the replacements listen within ${within / 1000} s`,
    got: `${others()} of them are`,
    likely:
      'one replacement at a time is allowed for, by a flag or a timer that a second death finds set already',
    read,
    repeat: program.command,
  })
}

interface Claim {
  /** What was done to it, for the message. */
  readonly because: string
  readonly read: string
}

/** Nothing happens to workers for so long: then it stays as it is. */
const RESTING_MS = 200

/**
 * So many workers listen, nobody else lives, and it stays so; the program's own list comes to say the same. None of
 * them is one of those that had to go.
 */
export async function reaches(
  program: Program,
  workers: number,
  { within = seconds(10), without = [], because, read }: Claim & Going & { readonly within?: number },
): Promise<void> {
  const alive = (): readonly Worker[] => program.workers.filter(({ state }) => state !== 'gone')
  const isReached = (): boolean =>
    alive().length === workers &&
    alive().every(({ id, state }) => state === 'listening' && !without.some((one) => one.id === id))
  const restingFor = watchRest(program)
  const advice = {
    expected: `${workers} ${workers === 1 ? 'worker that listens' : 'workers, all of which listen'}, and it stays so: ${because}`,
    read,
    repeat: program.command,
  }
  const reached = await program.until(() => (restingFor() > RESTING_MS && isReached()) || undefined, {
    within,
  })
  if (reached !== true) {
    throw new Mismatch({
      ...advice,
      got: describeWorkers(alive()),
      likely:
        alive().length > workers
          ? 'more is forked than is missing: two listeners fork for the same worker, or those that are starting are not counted; or nobody tells the surplus to go'
          : 'a worker that is missing is taken for one that went on purpose, or another number is kept than was asked for last',
    })
  }
  await lists(
    program,
    (list) => list.length === workers && list.every(({ state }) => state === 'listening'),
    { within: seconds(2), ...advice, likely: 'the list is not that of the workers that live' },
  )
}

interface Going {
  /** Those that had to go. */
  readonly without?: readonly Worker[]
}

/** Milliseconds since the last event of a worker. */
function watchRest(program: Program): () => number {
  let seen = -1
  let since = 0
  return () => {
    const events = lifecycleSeen(program).length
    if (events !== seen) {
      seen = events
      since = patientNow()
    }
    return patientNow() - since
  }
}

/** `worker 3 listening, worker 4 online, but not listening` */
function describeWorkers(workers: readonly Worker[]): string {
  const words = workers.map(({ id, state }) => {
    if (state === 'listening') return `worker ${id} listening`
    return `worker ${id} ${state === 'forked' ? 'started' : state}, but not listening`
  })
  return words.join(', ') || 'no worker lives'
}

/** Each of these workers ends, in time. */
export async function leave(
  program: Program,
  workers: readonly Worker[],
  { within = seconds(10), because, read }: Claim & { readonly within?: number },
): Promise<void> {
  const left = (): Worker | undefined =>
    program.workers.find(({ id, state }) => state !== 'gone' && workers.some((one) => one.id === id))
  await program.until(() => left() === undefined || undefined, { within })
  const one = left()
  if (one === undefined) return
  throw new Mismatch({
    expected: `worker ${one.id} ends: ${because}`,
    got: 'it lives on',
    likely:
      'the order is answered and forgotten, or something keeps the worker alive: a timer, or a connection that nobody closes',
    read,
    repeat: program.command,
  })
}

/** Never since then were there more workers alive, those that drain counted; see `mostAlive`. */
export function neverMoreThan(
  program: Program,
  limit: number,
  { because, read, ...since }: Claim & { readonly since: number; readonly killed?: readonly LostWorker[] },
): void {
  const most = mostAlive(program, since)
  if (most <= limit) return
  throw new Mismatch({
    expected: `never more than ${limit} workers alive, those that drain counted: ${because}`,
    got: `${most} at once`,
    likely: 'fresh workers are forked without a look at how many still drain',
    read,
    repeat: program.command,
  })
}

/** The program's list of its workers comes to be so. */
export async function lists(
  program: Program,
  isSo: (list: readonly ListedWorker[]) => boolean,
  {
    within = seconds(5),
    ...advice
  }: {
    readonly within?: number
    readonly expected: string
    readonly likely: string
    readonly read: string
  },
): Promise<void> {
  const { so, last } = await untilListed(program, isSo, { within, read: advice.read })
  if (so) return
  throw new Mismatch({
    got: `GET /workers lists ${describeList(last)}`,
    repeat: program.commandWith('/workers', 'GET', '9000'),
    ...advice,
  })
}

function describeList(list: readonly ListedWorker[]): string {
  return list.map(({ id, state }) => `worker ${id} ${state}`).join(', ') || 'nobody'
}

/** So long after a signal was sent the primary has it: one that it forks sooner may have been due before. */
const ARRIVES_MS = 250

/** After the signal that ends the program (ms since the epoch) nobody is forked, whoever has died before. */
export function forksNobodyAfter(program: Program, signalledAt: number, read: string): void {
  const late = program.workers.filter(({ forkedAt }) => forkedAt > signalledAt + ARRIVES_MS).length
  if (late === 0) return
  throw new Mismatch({
    expected: 'after the signal nobody is forked any more',
    got: `${late} ${late === 1 ? 'worker was' : 'workers were'} forked, for one that had died before`,
    likely: 'the pause before a fork goes on, and nobody asks then whether the end has begun',
    read,
    repeat: program.command,
  })
}

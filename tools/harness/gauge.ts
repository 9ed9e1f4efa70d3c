/**
 * How fast the cores were meanwhile, and what a program's work comes to when that is taken out.
 *
 * CPU time is not the same at all times: a core whose other hardware thread is busy, as with the neighbours of a
 * virtual machine, took 27 ms here for a page of 18 ms, for a few tenths of a second at a time. So the observer does a
 * piece of work that is always the same at each request (`gauge` in processes/observer.mjs, some tenths of a ms), and
 * times it. In 240 slices of load on the reference and on two solutions the CPU time of an answer scattered by 11 to
 * 15 %, and by 6 to 9 % with this taken out.
 */

import type { Program } from './program.ts'
import { mean } from './share.ts'
import { usedBetween } from './usage.ts'

/** One process: how long the piece of work took at each request, in ms. */
export interface Gauged {
  readonly pid: number
  readonly times: readonly number[]
}

/** What some requests have used. */
export interface Spent {
  readonly cpuMs: number
  /** The same, with the speed of the cores taken out; undefined where it was not gauged. */
  readonly work: number | undefined
}

/** What `act` comes to, and what the program used from its beginning to its end, with its requests gauged. */
export async function spentWhile<Result>(
  program: Program,
  act: () => Promise<Result>,
): Promise<Spent & { readonly result: Result; readonly cpuByProcess: ReadonlyMap<number, number> }> {
  await program.gauge(true)
  const before = await program.usage()
  const result = await act()
  const { cpuMs, cpuByProcess } = usedBetween(before, await program.usage())
  return { result, cpuMs, cpuByProcess, work: workIn(cpuByProcess, await program.gauge(false)) }
}

/** One measure for all that are compared: with the speed of the cores taken out where all were gauged, else for none. */
export function measureFor(all: readonly Spent[]): (one: Spent) => number {
  const isGauged = all.every(({ work }) => work !== undefined)
  return ({ cpuMs, work }) => (isGauged ? (work ?? 0) : cpuMs)
}

/** What takes so many times as long as the fastest was interrupted: by another program, or a collection. */
const INTERRUPTED = 2.5

/** Fewer would tell less of the core than of the moments at which they were taken. */
const LEAST_TIMES = 5

/**
 * A core that is so many times slower at the piece of work is slower at a page by this power of it: sending bytes and
 * collecting garbage suffer less. The slope of one's logarithm over the other's in those slices was 0.65 to 0.83.
 */
const TELLS = 0.7

/**
 * CPU time (ms, by process) as it would be on a core that takes a millisecond for the piece of work, without what
 * gauging cost itself. A process without requests counts with what the others' cores were like; undefined where too
 * few requests were gauged.
 */
export function workIn(
  cpuByProcess: ReadonlyMap<number, number>,
  gauged: readonly Gauged[],
): number | undefined {
  const lengths = new Map(
    gauged.filter(({ times }) => times.length > 0).map(({ pid, times }) => [pid, usual(times)]),
  )
  if (gauged.reduce((sum, { times }) => sum + times.length, 0) < LEAST_TIMES) return undefined
  const others = mean([...lengths.values()])
  let work = 0
  for (const [pid, cpuMs] of cpuByProcess) {
    const length = lengths.get(pid) ?? others
    const count = gauged.find((one) => one.pid === pid)?.times.length ?? 0
    // Each gauge is done twice, and timed once.
    work += Math.max(0, cpuMs - 2 * count * length) / length ** TELLS
  }
  return work
}

function usual(times: readonly number[]): number {
  const limit = Math.min(...times) * INTERRUPTED
  return mean(times.filter((time) => time <= limit))
}

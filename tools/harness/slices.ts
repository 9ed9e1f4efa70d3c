/** One slice of load on one program, and what its processes used meanwhile. */

import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { spentWhile, type Spent } from './gauge.ts'
import type { Slice } from './grading.ts'
import { pause, seconds } from './patience.ts'
import { cores } from './plans.ts'
import { Inconclusive, Mismatch } from './problems.ts'
import type { Program } from './program.ts'
import { startTool } from './start.ts'
import { usedBetween, type Usage, type Used } from './usage.ts'

/** Answers a slice shall have time for some dozens of, and a change of the machine's mood little time to happen. */
const SLICE_MS = 300
/** Requests that wait while a worker renders: enough that none is idle for want of a request. */
const CONNECTIONS_PER_CORE = 4

export interface Measured extends Spent {
  /** Answers per second by the clock. */
  readonly rate: number
  readonly answers: number
  /** How many cores its threads would have kept busy if nobody else had wanted them. */
  readonly wanted: number
  /** The same, where the time that a thread stood in the run queue counts for nothing, not for work; see throughput.ts. */
  readonly alone: number
  /** How many they had. */
  readonly cores: number
  readonly cpuByProcess: ReadonlyMap<number, number>
  /** The part of one core that the load generator used. */
  readonly generatorShare: number
}

interface Report {
  readonly id: number
  readonly start: number
  readonly end: number
  readonly times: readonly number[]
  readonly bytes: number
  /** Heads of 1xx. */
  readonly interim: number
  readonly status: number
  readonly wrongPage: number
  readonly failed: number
  readonly cpuMs: number
}

/** Headers that every request of a load carries. */
export type Headers = Readonly<Record<string, string>>

/** A load generator. */
export class Load implements AsyncDisposable {
  readonly #process: Program
  #nextId = 0

  constructor(process: Program) {
    this.#process = process
  }

  async ready(): Promise<void> {
    const ready = await this.#process.until(() => this.#process.lines('stdout')[0], { within: seconds(10) })
    if (ready === undefined) throw new Error('the load generator did not start')
  }

  /** Loads `/render` for so many ms; every client then finishes what it has begun. */
  async slice(program: Program, ms: number, headers: Headers = {}): Promise<Report> {
    this.#nextId += 1
    const id = this.#nextId
    const connections = CONNECTIONS_PER_CORE * cores()
    const order = { id, port: program.port, connections, ms, path: '/render?visitor=', headers }
    await this.#process.write(`${JSON.stringify(order)}\n`)
    const report = await this.#process.until(() => this.#report(id), { within: seconds(30) })
    if (report === undefined) throw new Inconclusive('The load generator got no core for 30 seconds.')
    return report
  }

  #report(id: number): Report | undefined {
    const line = this.#process.lines('stdout').at(-1)
    const report = line === undefined ? undefined : (JSON.parse(line) as Report)
    return report?.id === id ? report : undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.end()
  }
}

export async function openLoad(): Promise<Load> {
  const script = fileURLToPath(new URL('./processes/load.mjs', import.meta.url))
  const load = new Load(await startTool(script))
  await load.ready()
  return load
}

/** Runs one slice. A Mismatch when answers are wrong or missing. */
export async function measureSlice(
  load: Load,
  program: Program,
  name: Slice['program'],
  headers: Headers = {},
): Promise<Measured> {
  for (;;) {
    const whole = await spentWhile(program, async () => {
      program.deeds.add({ type: 'load', ms: SLICE_MS })
      const running = load.slice(program, SLICE_MS, headers)
      // In the thick of it on both ends: the first connections are open, the last are not yet finished.
      const early = await readingAfter(program, 40)
      const late = await readingAfter(program, SLICE_MS - 70)
      return { early, late, report: await running }
    })
    const { early, late, report } = whole.result
    if (name === 'yours') refuseWrongAnswers(program, report)
    else if (report.failed + report.status > 0) {
      throw new Inconclusive(
        `The program that yours is compared with did not answer ${report.failed + report.status} requests under load: this machine has not enough room for both. Close what else is running and check again.`,
      )
    }
    const measured = account(report, whole, usedBetween(early, late), late.at)
    // A slice that this machine spoilt says nothing about the program: the readings missed it.
    if (measured !== undefined) return measured
  }
}

async function readingAfter(program: Program, ms: number): Promise<Usage> {
  await pause(ms)
  return program.usage()
}

/** `whole`: from idle to idle, all answers and all their costs; `middle`: while every client waited for an answer. */
function account(
  report: Report,
  whole: Pick<Measured, 'cpuMs' | 'work' | 'cpuByProcess'>,
  middle: Used,
  middleEnd: number,
): Measured | undefined {
  const times = report.times.filter((time) => time <= report.end)
  const [first, last] = [times[0], times.at(-1)]
  if (first === undefined || last === undefined || times.length < 3) return undefined
  if (middle.timeMs < SLICE_MS / 3 || middleEnd > report.end + 10) return undefined
  return {
    rate: ((times.length - 1) / (last - first)) * 1000,
    answers: report.times.length,
    wanted: couldUse(middle),
    alone: couldUse({ ...middle, wantedMs: middle.aloneMs }),
    cores: middle.cpuMs / middle.timeMs,
    cpuMs: whole.cpuMs,
    work: whole.work,
    cpuByProcess: whole.cpuByProcess,
    generatorShare: report.cpuMs / (report.end - report.start),
  }
}

/**
 * How many cores the program would have kept busy if nobody else had wanted them: no more than there are, than it may
 * use, or than were in use at all while it waited.
 */
function couldUse({ wantedMs, timeMs, idleMs, allowed = cores() }: Used): number {
  const inUse = cpus().length - idleMs / timeMs
  return Math.min(wantedMs / timeMs, cores(), allowed, Math.max(inUse, 0.05))
}

function refuseWrongAnswers(program: Program, report: Report): void {
  if (report.interim > 0) {
    throw new Inconclusive(
      'Answers have interim heads (such as 103 Early Hints) before them, which the load generator cannot read: throughput is not measured. Leave them out and check again.',
    )
  }
  const repeat = program.command
  const asked = report.times.length + report.failed
  if (report.failed > 0) {
    throw new Mismatch({
      expected: 'every request under load is answered',
      got: `${report.failed} of ${asked} requests got no whole answer`,
      likely: 'a process ended under load, or connections are closed before their answer is out',
      repeat,
    })
  }
  if (report.status > 0) {
    throw new Mismatch({
      expected: '/render answers 200 under load',
      got: `${report.status} of ${asked} answers had another status`,
      likely: 'an error that only happens when requests overlap',
      repeat,
    })
  }
  if (report.wrongPage > 0) {
    throw new Mismatch({
      expected: 'each page names the visitor who asked for it, under load too',
      got: `${report.wrongPage} of ${asked} pages did not`,
      likely: 'pages are kept, or a variable is shared between requests',
      repeat,
    })
  }
}

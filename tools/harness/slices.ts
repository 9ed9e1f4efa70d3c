/** One slice of load on one program, and what its processes used meanwhile. */

import { fileURLToPath } from 'node:url'
import type { Slice } from './grading.ts'
import { pause, seconds } from './patience.ts'
import { cores } from './plans.ts'
import { Inconclusive, Mismatch } from './problems.ts'
import type { Program, Usage } from './program.ts'
import { startTool } from './start.ts'

/** Answers a slice shall have time for some dozens of, and a change of the machine's mood little time to happen. */
const SLICE_MS = 300
/** Requests that wait while a worker renders: enough that none is idle for want of a request. */
const CONNECTIONS_PER_CORE = 4

export interface Measured {
  /** Answers per second by the clock. */
  readonly rate: number
  /** Answers per second if nobody else had used the cores; see share.ts. */
  readonly undisturbed: number
  readonly answers: number
  readonly cpuMs: number
  /** Time that the processes ran or stood in the run queue, and how long the readings were apart. */
  readonly wantedMs: number
  readonly timeMs: number
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
  readonly status: number
  readonly wrongPage: number
  readonly failed: number
  readonly cpuMs: number
}

/** A load generator. */
export class Load implements AsyncDisposable {
  readonly #process: Program
  #nextId = 0

  constructor(process: Program) {
    this.#process = process
  }

  async ready(): Promise<void> {
    const ready = await this.#process.until(() => this.#reports('ready')[0], { within: seconds(10) })
    if (ready === undefined) throw new Error('the load generator did not start')
  }

  /** Loads `/render` for so many ms; every client then finishes what it has begun. */
  async slice(program: Program, ms: number): Promise<Report> {
    this.#nextId += 1
    const id = this.#nextId
    const connections = CONNECTIONS_PER_CORE * cores()
    const order = { id, port: program.port, connections, ms, path: '/render?visitor=' }
    await this.#process.write(`${JSON.stringify(order)}\n`)
    const report = await this.#process.until(() => this.#reports('slice').find((one) => one.id === id), {
      within: seconds(30),
    })
    if (report === undefined) throw new Inconclusive('The load generator got no core for 30 seconds.')
    return report
  }

  #reports(type: string): readonly Report[] {
    const reports = this.#process.lines('stdout').map((line) => JSON.parse(line) as Report & { readonly type: string })
    return reports.filter((report) => report.type === type)
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
export async function measureSlice(load: Load, program: Program, name: Slice['program']): Promise<Measured> {
  for (;;) {
    const running = load.slice(program, SLICE_MS)
    // In the thick of it on both ends: the first connections are open, the last are not yet finished.
    const before = await readingAfter(program, 40)
    const after = await readingAfter(program, SLICE_MS - 70)
    const report = await running
    if (name === 'yours') refuseWrongAnswers(program, report)
    else if (report.failed + report.status > 0) throw new Error(`the reference (${name}) did not answer`)
    const measured = account(report, before, after)
    // A slice that this machine spoilt says nothing about the program: the readings missed it.
    if (measured !== undefined) return measured
  }
}

async function readingAfter(program: Program, ms: number): Promise<Usage> {
  await pause(ms)
  return program.usage()
}

function account(report: Report, before: Usage, after: Usage): Measured | undefined {
  const times = report.times.filter((time) => time <= report.end)
  const first = times[0]
  const last = times.at(-1)
  if (first === undefined || last === undefined || times.length < 3) return undefined
  if (before.at > report.end - SLICE_MS / 3 || after.at > report.end + 10) return undefined
  const cpuByProcess = new Map<number, number>()
  let cpuMs = 0
  let wantedMs = 0
  for (const { pid, cpuMs: cpu, wantedMs: wanted } of after.processes) {
    const earlier = before.processes.find((used) => used.pid === pid)
    if (earlier === undefined) continue
    cpuByProcess.set(pid, cpu - earlier.cpuMs)
    cpuMs += cpu - earlier.cpuMs
    wantedMs += wanted - earlier.wantedMs
  }
  const time = after.at - before.at
  const answers = times.filter((at) => at > before.at && at <= after.at).length
  return {
    rate: ((times.length - 1) / (last - first)) * 1000,
    undisturbed: (answers / cpuMs) * Math.min(wantedMs / time, cores()) * 1000,
    answers,
    cpuMs,
    wantedMs,
    timeMs: time,
    cpuByProcess,
    generatorShare: report.cpuMs / (report.end - report.start),
  }
}

function refuseWrongAnswers(program: Program, report: Report): void {
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

/** Grades programs: runs their checks through vitest and tells what happens as it happens. */

import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Vitest } from 'vitest/node'
import { startKeeper, type OwnKeeper } from './keeper.ts'
import { cores, planFor } from './plans.ts'
import { Cancelled, EnvironmentProblem } from './problems.ts'
import { canWriteTo } from './processes/folders.mjs'
import { EventReporter } from './reporter.ts'
import type { Session } from './session.ts'
import type { Timeline } from './timeline.ts'
import { verdictOf, type CheckResult, type LessonResult, type Results, type Throughput } from './verdict.ts'

/** One program and the check that judges it. Paths are absolute. */
export interface Subject {
  readonly number: number
  readonly slug: string
  readonly file: string
  readonly check: string
  /** The name of the one check that runs; all unless told. */
  readonly only?: string
  /** How many gradings of throughput are tried, each told as an event, before the one that counts. */
  readonly trials?: number
  /** How many workers throughput is measured with; one for each core unless told. */
  readonly workers?: number
  /** What a check that draws by lot starts from, so that a run can be repeated; drawn anew unless told. */
  readonly seed?: number
}

/** One slice of load on one of the three programs, as it ends. Rates in requests per second. */
export interface Slice {
  readonly program: 'one' | 'ideal' | 'yours'
  readonly rate: number
  readonly round: number
}

export type GradingEvent =
  | { readonly type: 'lesson-started'; readonly slug: string }
  /** The names of all checks in order, as soon as they are known. */
  | { readonly type: 'checks-known'; readonly slug: string; readonly names: readonly string[] }
  | { readonly type: 'check-started'; readonly slug: string; readonly name: string }
  | { readonly type: 'slice'; readonly slug: string; readonly slice: Slice }
  /** One grading of a series that measures the checker itself. */
  | { readonly type: 'trial'; readonly slug: string; readonly trial: unknown }
  | { readonly type: 'throughput'; readonly slug: string; readonly throughput: Throughput }
  /** What happened in the program that a failed check is about; told just before the check's end. */
  | {
      readonly type: 'timeline'
      readonly slug: string
      readonly result: CheckResult
      readonly timeline: Timeline
    }
  | { readonly type: 'check-finished'; readonly slug: string; readonly result: CheckResult }
  | { readonly type: 'lesson-finished'; readonly slug: string; readonly result: LessonResult }

/** A warm runner: the first grading costs some 0.3 s more than the next. */
export interface Grader extends AsyncDisposable {
  /**
   * Grades these programs one after another. Never rejects for what a program does; rejects with
   * EnvironmentProblem when this machine does not let it work, with AbortError when it was cancelled.
   */
  grade(
    subjects: readonly Subject[],
    onEvent?: (event: GradingEvent) => void,
    signal?: AbortSignal,
  ): Promise<Results>
}

/** Opens a grader for the project in this folder (absolute). */
export function openGrader({ root }: { readonly root: string }): Promise<Grader> {
  return Promise.resolve(new WarmGrader(root))
}

class WarmGrader implements Grader {
  readonly #root: string
  readonly #reporter = new EventReporter()
  #spare: OwnKeeper | undefined
  #vitest: Promise<Vitest> | undefined
  /** One grading at a time: a cancelled one clears up before the next begins. */
  #busy: Promise<unknown> = Promise.resolve()

  constructor(root: string) {
    this.#root = root
    this.#spare = startKeeper()
  }

  grade(
    subjects: readonly Subject[],
    onEvent: (event: GradingEvent) => void = () => {},
    signal?: AbortSignal,
  ): Promise<Results> {
    const grading = this.#busy.then(() => this.#grade(subjects, onEvent, signal))
    this.#busy = grading.catch(() => {})
    return grading
  }

  async #grade(
    subjects: readonly Subject[],
    onEvent: (event: GradingEvent) => void,
    signal: AbortSignal | undefined,
  ): Promise<Results> {
    refuse(signal)
    needFolder(this.#root)
    const startedAt = new Date()
    const started = performance.now()
    const lessons: LessonResult[] = []
    const care = { keeper: this.#spare ?? startKeeper() }
    this.#spare = undefined
    await using _keeper = { [Symbol.asyncDispose]: () => care.keeper[Symbol.asyncDispose]() }
    const [first] = subjects
    if (first !== undefined) care.keeper.startAhead(planFor(this.#root, first.file))
    const vitest = await (this.#vitest ??= loadVitest(this.#root, this.#reporter))
    await using _ = cancelling(signal, vitest, () => care.keeper)
    for (const subject of subjects) {
      refuse(signal)
      // The program of the lesson before may have killed it.
      if (care.keeper.over) care.keeper = startKeeper()
      if (subject !== first) care.keeper.startAhead(planFor(this.#root, subject.file))
      lessons.push(await this.#gradeOne(vitest, care.keeper, subject, onEvent, signal))
    }
    return summary(this.#root, lessons, startedAt, performance.now() - started)
  }

  async #gradeOne(
    vitest: Vitest,
    keeper: OwnKeeper,
    subject: Subject,
    onEvent: (event: GradingEvent) => void,
    signal: AbortSignal | undefined,
  ): Promise<LessonResult> {
    const { slug, file, number, only, trials, workers, seed } = subject
    const started = performance.now()
    onEvent({ type: 'lesson-started', slug })
    const record = this.#reporter.follow(slug, started, onEvent)
    const session: Session = {
      root: this.#root,
      keeper: await keeper.address,
      files: { [slug]: file },
      ...(only !== undefined && { only }),
      ...(trials !== undefined && { trials }),
      ...(workers !== undefined && { workers }),
      ...(seed !== undefined && { seed }),
    }
    const project = vitest.getRootProject()
    project.provide('everyCore', session)
    await vitest.runTestSpecifications([project.createSpecification(subject.check)], false)
    refuse(signal)
    if (record.environment !== undefined) {
      throw new EnvironmentProblem(record.environment.message, record.environment.advice)
    }
    const checks = record.finished()
    const result: LessonResult = {
      number,
      slug,
      file: projectPath(this.#root, file),
      verdict: verdictOf(checks),
      durationMs: Math.round(performance.now() - started),
      firstResultMs: Math.round(record.firstResultMs ?? performance.now() - started),
      checks,
      ...(record.throughput && { throughput: record.throughput }),
    }
    onEvent({ type: 'lesson-finished', slug, result })
    return result
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#busy
    await this.#spare?.[Symbol.asyncDispose]()
    await (await this.#vitest)?.close()
  }
}

function refuse(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new Cancelled('the grading was cancelled')
}

/** A program's own data has to go somewhere: under `.workshop/`, or where that is read-only to a temporary folder. */
function needFolder(root: string): void {
  const places = [join(root, '.workshop', 'data'), tmpdir()]
  if (places.some(canWriteTo)) return
  throw new EnvironmentProblem(
    `Neither ${root} nor the temporary folder ${tmpdir()} can be written to, and programs keep their data there.`,
    'Copy the project to a folder of your own, or name another temporary folder: export TMPDIR=…',
  )
}

/** Ends a grading from outside: the programs die with their keeper, and every wait on them with it. */
function cancelling(
  signal: AbortSignal | undefined,
  vitest: Vitest,
  keeper: () => OwnKeeper,
): AsyncDisposable {
  const cancel = (): void => {
    void vitest.cancelCurrentRun('keyboard-input')
    void keeper()[Symbol.asyncDispose]()
  }
  signal?.addEventListener('abort', cancel, { once: true })
  return {
    async [Symbol.asyncDispose]() {
      signal?.removeEventListener('abort', cancel)
    },
  }
}

async function loadVitest(root: string, reporter: EventReporter): Promise<Vitest> {
  const { createVitest } = await import('vitest/node')
  return createVitest(
    'test',
    {
      root,
      config: false,
      watch: false,
      include: ['checks/*/check.ts'],
      pool: 'threads',
      isolate: false,
      maxWorkers: 1,
      fileParallelism: false,
      testTimeout: 0,
      hookTimeout: 60_000,
      reporters: [reporter],
      disableConsoleIntercept: true,
    },
    { cacheDir: join(root, '.workshop', 'cache', 'vite'), clearScreen: false, logLevel: 'silent' },
  )
}

function summary(
  root: string,
  lessons: readonly LessonResult[],
  startedAt: Date,
  durationMs: number,
): Results {
  const count = (verdict: LessonResult['verdict']): number =>
    lessons.filter((one) => one.verdict === verdict).length
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  return {
    workshop: version,
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    cores: cores(),
    startedAt: startedAt.toISOString(),
    durationMs: Math.round(durationMs),
    lessons,
    passed: count('passed'),
    failed: count('failed'),
    inconclusive: count('inconclusive'),
    broken: count('broken'),
  }
}

function projectPath(root: string, file: string): string {
  return file.startsWith(`${root}/`) ? file.slice(root.length + 1) : file
}

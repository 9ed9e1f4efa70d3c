/** Turns what vitest reports into the grader's events. */

import type { Reporter, TestCase, TestModule } from 'vitest/node'
import type { GradingEvent, Slice } from './grading.ts'
import type { CheckResult, Throughput } from './verdict.ts'

/** The types of the annotations that carry what is live; `check.ts` sends them. */
const LIVE = 'every-core'
const TRIAL = 'every-core-trial'

/** What is known of the lesson that is being graded. */
export class Record {
  names: readonly string[] = []
  readonly results = new Map<string, CheckResult>()
  firstResultMs: number | undefined
  throughput: Throughput | undefined
  environment: { readonly message: string; readonly advice: string } | undefined
  /** Why the check file itself did not run, if so. */
  fault: string | undefined

  /** Every check with a result; one that never came to its turn was skipped. */
  finished(): readonly CheckResult[] {
    const results = this.names.map(
      (name) => this.results.get(name) ?? ({ name, verdict: 'skipped', durationMs: 0 } as const),
    )
    if (this.fault === undefined) return results
    return [...results, { name: 'the checker runs', verdict: 'broken', durationMs: 0, note: this.fault }]
  }
}

export class EventReporter implements Reporter {
  #slug = ''
  #started = 0
  #record = new Record()
  #onEvent: (event: GradingEvent) => void = () => {}

  follow(slug: string, started: number, onEvent: (event: GradingEvent) => void): Record {
    this.#slug = slug
    this.#started = started
    this.#onEvent = onEvent
    this.#record = new Record()
    return this.#record
  }

  onTestModuleCollected(module: TestModule): void {
    const names = [...module.children.allTests()].map((test) => test.name)
    this.#record.names = names
    this.#onEvent({ type: 'checks-known', slug: this.#slug, names })
  }

  onTestCaseReady(test: TestCase): void {
    this.#onEvent({ type: 'check-started', slug: this.#slug, name: test.name })
  }

  onTestCaseAnnotate(_test: TestCase, annotation: { readonly type: string; readonly message: string }): void {
    if (annotation.type === TRIAL) {
      this.#onEvent({ type: 'trial', slug: this.#slug, trial: JSON.parse(annotation.message) as unknown })
    }
    if (annotation.type !== LIVE) return
    this.#onEvent({ type: 'slice', slug: this.#slug, slice: JSON.parse(annotation.message) as Slice })
  }

  onTestCaseResult(test: TestCase): void {
    const record = this.#record
    const meta = test.meta().everyCore
    const result: CheckResult = meta?.result ?? resultWithoutMeta(test)
    record.results.set(test.name, result)
    record.environment ??= meta?.environment
    if (result.verdict !== 'skipped') record.firstResultMs ??= performance.now() - this.#started
    if (meta?.throughput !== undefined) {
      record.throughput = meta.throughput
      this.#onEvent({ type: 'throughput', slug: this.#slug, throughput: meta.throughput })
    }
    if (meta?.timeline !== undefined) {
      this.#onEvent({ type: 'timeline', slug: this.#slug, result, timeline: meta.timeline })
    }
    this.#onEvent({ type: 'check-finished', slug: this.#slug, result })
  }

  onTestModuleEnd(module: TestModule): void {
    this.#fault(module.errors())
  }

  onTestRunEnd(_modules: readonly TestModule[], errors: readonly { readonly message: string }[]): void {
    this.#fault(errors)
  }

  #fault(errors: readonly { readonly message: string; readonly stack?: string | undefined }[]): void {
    const [error] = errors
    if (error !== undefined) this.#record.fault ??= error.stack ?? error.message
  }
}

/** A check that vitest ended or passed over itself. */
function resultWithoutMeta(test: TestCase): CheckResult {
  const { state, errors } = test.result()
  const durationMs = Math.round(test.diagnostic()?.duration ?? 0)
  if (state === 'skipped' || state === 'pending') return { name: test.name, verdict: 'skipped', durationMs }
  const note = errors?.[0]?.message ?? 'the check ended without a verdict'
  return { name: test.name, verdict: 'broken', durationMs, note }
}

import { expect, test } from 'vitest'
import type { TestCase, TestModule } from 'vitest/node'
import type { GradingEvent } from './grading.ts'
import { EventReporter } from './reporter.ts'
import type { CheckResult, Throughput } from './verdict.ts'

const throughput: Throughput = {
  one: 100,
  ideal: 190,
  yours: 185,
  share: 0.94,
  low: 0.8,
  high: 1.1,
  threshold: 0.7,
  parallel: 1.9,
  efficiency: 1,
  rounds: 3,
  workers: 2,
  accounted: 0.95,
}

interface Meta {
  readonly result: CheckResult
  readonly throughput?: Throughput
  readonly environment?: { readonly message: string; readonly advice: string }
}

/** As much of vitest's test case as a reporter looks at. */
function testCase(
  name: string,
  everyCore?: Meta,
  { state = 'passed', errors = [] as readonly { readonly message: string }[] } = {},
): TestCase {
  const parts = {
    name,
    meta: () => ({ everyCore }),
    result: () => ({ state, errors }),
    diagnostic: () => ({ duration: 12.4 }),
  }
  return parts as unknown as TestCase
}

function moduleOf(
  tests: readonly TestCase[],
  errors: readonly { readonly message: string }[] = [],
): TestModule {
  return { children: { allTests: () => tests.values() }, errors: () => errors } as unknown as TestModule
}

const passed = (name: string): CheckResult => ({ name, verdict: 'passed', durationMs: 5 })

/** A reporter that follows a lesson with these checks. */
function following(...names: readonly string[]) {
  const reporter = new EventReporter()
  const events: GradingEvent[] = []
  const record = reporter.follow('03-basic-cluster', performance.now(), (event) => events.push(event))
  reporter.onTestModuleCollected(moduleOf(names.map((name) => testCase(name))))
  return { reporter, record, events }
}

test('all checks are known before the first begins', () => {
  const { events } = following('first', 'second')
  expect(events).toEqual([{ type: 'checks-known', slug: '03-basic-cluster', names: ['first', 'second'] }])
})

test('a check is told when it begins and when it ends', () => {
  const { reporter, events } = following('first')
  reporter.onTestCaseReady(testCase('first'))
  reporter.onTestCaseResult(testCase('first', { result: passed('first') }))
  expect(events.slice(1)).toEqual([
    { type: 'check-started', slug: '03-basic-cluster', name: 'first' },
    { type: 'check-finished', slug: '03-basic-cluster', result: passed('first') },
  ])
})

test('results stand in the order of the checks, and what never came to its turn is skipped', () => {
  const { reporter, record } = following('first', 'second', 'third')
  reporter.onTestCaseResult(testCase('second', { result: passed('second') }))
  reporter.onTestCaseResult(testCase('first', { result: passed('first') }))
  expect(record.finished()).toEqual([
    passed('first'),
    passed('second'),
    { name: 'third', verdict: 'skipped', durationMs: 0 },
  ])
})

test('a check that vitest passed over is skipped, and is no first result', () => {
  const { reporter, record } = following('first', 'second')
  reporter.onTestCaseResult(testCase('first', undefined, { state: 'skipped' }))
  expect(record.finished()[0]).toEqual({ name: 'first', verdict: 'skipped', durationMs: 12 })
  expect(record.firstResultMs).toBeUndefined()
  reporter.onTestCaseResult(testCase('second', { result: passed('second') }))
  expect(record.firstResultMs).toBeGreaterThan(0)
})

test('the first result stays the first', () => {
  const { reporter, record } = following('first', 'second')
  reporter.onTestCaseResult(testCase('first', { result: passed('first') }))
  const first = record.firstResultMs
  reporter.onTestCaseResult(testCase('second', { result: passed('second') }))
  expect(record.firstResultMs).toBe(first)
})

test('a check that ended without a verdict of ours is broken, with the reason', () => {
  const { reporter, record } = following('first', 'second')
  reporter.onTestCaseResult(
    testCase('first', undefined, { state: 'failed', errors: [{ message: 'hook timed out' }] }),
  )
  reporter.onTestCaseResult(testCase('second', undefined, { state: 'failed' }))
  expect(record.finished()).toEqual([
    { name: 'first', verdict: 'broken', durationMs: 12, note: 'hook timed out' },
    { name: 'second', verdict: 'broken', durationMs: 12, note: 'the check ended without a verdict' },
  ])
})

test('a check file that does not run breaks the lesson, with the first reason', () => {
  const { reporter, record } = following()
  reporter.onTestModuleEnd(moduleOf([], [{ message: 'no such export' }]))
  reporter.onTestRunEnd([], [{ message: 'later' }])
  expect(record.finished()).toEqual([
    { name: 'the checker runs', verdict: 'broken', durationMs: 0, note: 'no such export' },
  ])
})

test('an error outside of every check breaks the lesson too', () => {
  const { reporter, record } = following('first')
  reporter.onTestCaseResult(testCase('first', { result: passed('first') }))
  reporter.onTestRunEnd([], [{ message: 'an unhandled rejection' }])
  expect(record.finished().at(-1)).toMatchObject({ verdict: 'broken', note: 'an unhandled rejection' })
})

test('slices, trials and throughput are told as they come', () => {
  const { reporter, record, events } = following('share')
  const slice = { program: 'one', rate: 101.5, round: 1 }
  const annotate = (type: string, message: unknown): void =>
    reporter.onTestCaseAnnotate(testCase('share'), { type, message: JSON.stringify(message) })
  annotate('every-core', slice)
  annotate('every-core-trial', { ms: 1_200 })
  annotate('notice', { of: 'somebody else' })
  reporter.onTestCaseResult(testCase('share', { result: passed('share'), throughput }))
  expect(events.slice(1)).toEqual([
    { type: 'slice', slug: '03-basic-cluster', slice },
    { type: 'trial', slug: '03-basic-cluster', trial: { ms: 1_200 } },
    { type: 'throughput', slug: '03-basic-cluster', throughput },
    { type: 'check-finished', slug: '03-basic-cluster', result: passed('share') },
  ])
  expect(record.throughput).toEqual(throughput)
})

test('what this machine lacks is kept for the one who grades', () => {
  const { reporter, record } = following('first')
  const environment = { message: 'no loopback', advice: 'bring it up' }
  const result = { name: 'first', verdict: 'broken', durationMs: 1 } as const
  reporter.onTestCaseResult(testCase('first', { result, environment }))
  expect(record.environment).toEqual(environment)
})

test('a lesson that follows begins anew', () => {
  const { reporter } = following('first')
  reporter.onTestCaseResult(testCase('first', { result: passed('first'), throughput }))
  const events: GradingEvent[] = []
  const record = reporter.follow('02-two-roles', performance.now(), (event) => events.push(event))
  expect(record.finished()).toEqual([])
  expect(record.throughput).toBeUndefined()
  reporter.onTestCaseReady(testCase('another'))
  expect(events).toEqual([{ type: 'check-started', slug: '02-two-roles', name: 'another' }])
})

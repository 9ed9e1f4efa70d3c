import { expect, test } from 'vitest'
import { exitCodeOf, verdictOf, type CheckResult, type CheckVerdict } from './verdict.ts'

const checks = (...verdicts: readonly CheckVerdict[]): readonly CheckResult[] =>
  verdicts.map((verdict) => ({ name: verdict, verdict, durationMs: 1 }))

test.each<[readonly CheckVerdict[], string]>([
  [['passed', 'passed'], 'passed'],
  [['passed', 'skipped'], 'passed'],
  [['passed', 'failed', 'skipped'], 'failed'],
  [['passed', 'inconclusive', 'skipped'], 'inconclusive'],
  [['failed', 'broken'], 'broken'],
])('%j make a lesson %s', (verdicts, verdict) => {
  expect(verdictOf(checks(...verdicts))).toBe(verdict)
})

test('a lesson of which nothing was checked is not passed', () => {
  expect(verdictOf([])).toBe('broken')
  expect(verdictOf(checks('skipped', 'skipped'))).toBe('broken')
})

test.each([
  [{ failed: 0, inconclusive: 0, broken: 0 }, 0],
  [{ failed: 1, inconclusive: 1, broken: 0 }, 1],
  [{ failed: 0, inconclusive: 1, broken: 0 }, 3],
  [{ failed: 1, inconclusive: 1, broken: 1 }, 4],
])('%j ends with exit code %i', (counts, code) => {
  expect(exitCodeOf(counts)).toBe(code)
})

/** Gradings of the third lesson, as they could have been. */

import type { CheckResult, Throughput } from '../../harness/verdict.ts'
import type { Story } from './grader.ts'

const names = [
  'one worker per available core by default',
  'WORKERS sets the number, and an empty one counts as unset',
  'a WORKERS that makes no sense is refused',
  'an affinity of one core gives one worker',
  'ready is printed once, when the slowest worker listens',
  'the workers share the load',
  'SIGTERM ends the program',
]

export const throughput: Throughput = {
  one: 206.1,
  ideal: 402,
  yours: 391.2,
  share: 0.95,
  low: 0.9,
  high: 1.04,
  threshold: 0.7,
  parallel: 1.96,
  efficiency: 0.98,
  rounds: 4,
  workers: 2,
  accounted: 0.96,
}

export const passing: Story = { checks: names.map((name) => done(name)), throughput }

export const failing: Story = stopping('a WORKERS that makes no sense is refused', {
  verdict: 'failed',
  expected: 'exit code 1 and a line on stderr that names WORKERS and abc',
  got: 'it forked 2 workers',
  likely: "Number('abc') is NaN, and `NaN || cores` is cores",
  read: 'lessons/03-basic-cluster/README.md#a-configuration-that-refuses-nonsense',
  repeat: 'WORKERS=abc PORT=8000 node --import tsx lessons/03-basic-cluster/server.ts',
})

export const inconclusive: Story = stopping('the workers share the load', {
  verdict: 'inconclusive',
  note: 'other programs took 1.7 of 2 cores, and after 12 rounds the share lies between 41 % and 96 %',
})

export const broken: Story = stopping('an affinity of one core gives one worker', {
  verdict: 'broken',
  note: "TypeError: Cannot read properties of undefined (reading 'pid')",
})

function stopping(name: string, end: Omit<CheckResult, 'name' | 'durationMs'>): Story {
  const at = names.indexOf(name)
  return {
    checks: names.map((other, index) => {
      if (index < at) return done(other)
      return index === at
        ? { name, durationMs: 400, ...end }
        : { name: other, verdict: 'skipped', durationMs: 0 }
    }),
  }
}

function done(name: string): CheckResult {
  return { name, verdict: 'passed', durationMs: 600 }
}

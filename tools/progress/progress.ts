/** What one learner has done of one lesson, and how a grading or a hint changes it. */

import type { LessonResult, Throughput, Verdict } from '../harness/verdict.ts'

/** Kept as JSON in `.workshop/progress/<slug>.json`. Times are ISO 8601. */
export interface Progress {
  readonly version: 1
  readonly slug: string
  readonly attempts: number
  readonly firstAttemptAt?: string
  readonly lastAttemptAt?: string
  /** The first time that it passed; a later failure does not take it back. */
  readonly passedAt?: string
  readonly last?: LastAttempt
  /** The last throughput that was measured. */
  readonly throughput?: Throughput
  /** How many hints have been shown, by the name of the check. */
  readonly hints: Readonly<Record<string, number>>
}

export interface LastAttempt {
  readonly verdict: Verdict
  /** The first check that did not pass. */
  readonly stoppedAt?: string
  /** What the learner's files were, see fingerprint.ts. */
  readonly fingerprint?: string
}

export function noProgress(slug: string): Progress {
  return { version: 1, slug, attempts: 0, hints: {} }
}

/** @param fingerprint of the files that were graded, when it is known */
export function afterGrading(
  before: Progress,
  result: LessonResult,
  now: Date,
  fingerprint: string | undefined,
): Progress {
  const at = now.toISOString()
  const stopped = stoppedAt(result)
  return {
    ...before,
    attempts: before.attempts + 1,
    firstAttemptAt: before.firstAttemptAt ?? at,
    lastAttemptAt: at,
    ...(before.passedAt === undefined && result.verdict === 'passed' ? { passedAt: at } : {}),
    last: {
      verdict: result.verdict,
      ...(stopped === undefined ? {} : { stoppedAt: stopped }),
      ...(fingerprint === undefined ? {} : { fingerprint }),
    },
    ...(result.throughput === undefined ? {} : { throughput: result.throughput }),
  }
}

export function afterHint(before: Progress, check: string, shown: number): Progress {
  return { ...before, hints: { ...before.hints, [check]: shown } }
}

/** The name of the first check that was judged and did not pass. */
export function stoppedAt(result: Pick<LessonResult, 'checks'>): string | undefined {
  return result.checks.find((check) => check.verdict !== 'passed' && check.verdict !== 'skipped')?.name
}

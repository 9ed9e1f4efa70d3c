/** A grader that grades nothing: it tells a recorded story, so that what is made of it can be looked at. */

import { setTimeout as wait } from 'node:timers/promises'
import type { Grader, GradingEvent, Subject } from '../../harness/grading.ts'
import { Cancelled } from '../../harness/problems.ts'
import type { Timeline } from '../../harness/timeline.ts'
import {
  type CheckResult,
  type LessonResult,
  type Results,
  type Throughput,
  verdictOf,
} from '../../harness/verdict.ts'

export interface Story {
  readonly checks: readonly CheckResult[]
  /** Measured in the last check. */
  readonly throughput?: Throughput
  /** Of the check that failed. */
  readonly timeline?: Timeline
}

export interface FakeGrader extends Grader {
  readonly graded: readonly Subject[]
  readonly closed: boolean
}

export interface FakeGraderOptions {
  /** How long a check takes, besides its own durationMs. */
  readonly paceMs?: number
}

/** @param tell the story of a subject; may throw what a grader rejects with */
export function fakeGrader(
  tell: (subject: Subject) => Story,
  { paceMs = 0 }: FakeGraderOptions = {},
): FakeGrader {
  const graded: Subject[] = []
  let closed = false
  return {
    graded,
    get closed() {
      return closed
    },
    async grade(subjects, onEvent = () => undefined, signal) {
      const lessons: LessonResult[] = []
      for (const subject of subjects) {
        graded.push(subject)
        lessons.push(await gradeOne(subject, tell(subject), onEvent, paceMs, signal))
      }
      return resultsOf(lessons)
    },
    async [Symbol.asyncDispose]() {
      closed = true
    },
  }
}

async function gradeOne(
  subject: Subject,
  story: Story,
  onEvent: (event: GradingEvent) => void,
  paceMs: number,
  signal: AbortSignal | undefined,
): Promise<LessonResult> {
  const { slug, number } = subject
  const step = async (ms: number): Promise<void> => {
    if (ms > 0) await wait(ms, undefined, signal === undefined ? {} : { signal }).catch(() => undefined)
    if (signal?.aborted === true) throw new Cancelled('cancelled')
  }
  await step(0)
  onEvent({ type: 'lesson-started', slug })
  onEvent({ type: 'checks-known', slug, names: story.checks.map((check) => check.name) })
  for (const check of story.checks) {
    if (check.verdict !== 'skipped') {
      onEvent({ type: 'check-started', slug, name: check.name })
      await step(paceMs).catch((error: unknown) => {
        // As the real one does: the check that was cut off has an end, too.
        onEvent({
          type: 'check-finished',
          slug,
          result: { name: check.name, verdict: 'broken', durationMs: 1, note: 'cut off' },
        })
        throw error
      })
      if (story.throughput !== undefined && check.name === 'the workers share the load') {
        await measure(slug, story.throughput, onEvent, () => step(paceMs / 2))
      }
    }
    if (story.timeline !== undefined && check.verdict === 'failed') {
      onEvent({ type: 'timeline', slug, result: check, timeline: story.timeline })
    }
    onEvent({ type: 'check-finished', slug, result: check })
  }
  const result: LessonResult = {
    number,
    slug,
    file: `lessons/${slug}/server.ts`,
    verdict: verdictOf(story.checks),
    durationMs: 2100,
    firstResultMs: 700,
    checks: story.checks,
    ...(story.throughput === undefined ? {} : { throughput: story.throughput }),
  }
  onEvent({ type: 'lesson-finished', slug, result })
  return result
}

async function measure(
  slug: string,
  throughput: Throughput,
  onEvent: (event: GradingEvent) => void,
  step: () => Promise<void>,
): Promise<void> {
  for (let round = 1; round <= throughput.rounds; round += 1) {
    for (const program of ['one', 'ideal', 'yours'] as const) {
      await step()
      onEvent({
        type: 'slice',
        slug,
        slice: { program, round, rate: throughput[program] * (0.9 + round / 20) },
      })
    }
  }
  onEvent({ type: 'throughput', slug, throughput })
}

function resultsOf(lessons: readonly LessonResult[]): Results {
  const count = (verdict: LessonResult['verdict']): number => {
    return lessons.filter((lesson) => lesson.verdict === verdict).length
  }
  return {
    workshop: '0.1.0',
    node: 'v20.20.2',
    platform: 'linux-x64',
    cores: 2,
    startedAt: '2026-01-02T03:04:05.000Z',
    durationMs: 2100 * lessons.length,
    lessons,
    passed: count('passed'),
    failed: count('failed'),
    inconclusive: count('inconclusive'),
    broken: count('broken'),
  }
}

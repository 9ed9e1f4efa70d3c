/** Grades the learner's file of one lesson and remembers what came of it. */

import type { Grader, GradingEvent } from '../../harness/grading.ts'
import type { LessonResult, Results } from '../../harness/verdict.ts'
import { fingerprintOf } from '../../progress/fingerprint.ts'
import { afterGrading } from '../../progress/progress.ts'
import { type ProgressStore, progressStore } from '../../progress/store.ts'
import type { Live } from '../screen/live.ts'
import { learnersSubject } from '../subjects.ts'
import { type Visit, warnOn } from './visit.ts'

export interface Graded {
  readonly result: LessonResult
  readonly results: Results
}

export function storeOf({ desk }: Visit, live: Live): ProgressStore {
  return progressStore(desk.root, warnOn(desk, live))
}

/**
 * @param fingerprint of the files as they are now
 * @throws what the grader throws: EnvironmentProblem, AbortError
 */
export async function gradeOnce(
  visit: Visit,
  grader: Grader,
  options: {
    readonly onEvent: (event: GradingEvent) => void
    readonly signal: AbortSignal
    readonly store: ProgressStore
    readonly fingerprint?: string | undefined
  },
): Promise<Graded> {
  const { lesson } = visit
  const fingerprint = options.fingerprint ?? (await fingerprintOf(lesson.folder))
  const { signal } = options
  const onEvent = (event: GradingEvent): void => {
    // What a cancelled grading still tells is about the cancelling.
    if (!signal.aborted) options.onEvent(event)
  }
  const results = await grader.grade([learnersSubject(lesson)], onEvent, signal)
  const [result] = results.lessons
  if (result === undefined) throw new Error(`The grading of ${lesson.slug} told no result.`)
  options.store.change(lesson.slug, (before) => afterGrading(before, result, new Date(), fingerprint))
  return { result, results }
}

/** Closes what was opened, whatever happened between. That it did not open at all is told elsewhere. */
export function closing(opening: Promise<Grader>): AsyncDisposable {
  opening.catch(() => undefined)
  return {
    async [Symbol.asyncDispose]() {
      const grader = await opening.catch(() => undefined)
      await grader?.[Symbol.asyncDispose]()
    },
  }
}

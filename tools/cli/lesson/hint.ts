/** The next hint for the check that fails now. */

import { inProject } from '../../catalog.ts'
import type { LessonResult } from '../../harness/verdict.ts'
import { fingerprintOf } from '../../progress/fingerprint.ts'
import { afterHint, stoppedAt } from '../../progress/progress.ts'
import type { ProgressStore } from '../../progress/store.ts'
import { gradingScreen } from '../screen/grading.ts'
import { type Live, liveOn, silent } from '../screen/live.ts'
import { closing, gradeOnce, storeOf } from './grade.ts'
import { hintTexts } from './text.ts'
import { headingOf, pageOf, pageOn, type Visit } from './visit.ts'

export async function hint(visit: Visit): Promise<number> {
  const { desk, lesson } = visit
  // Standard output is for the hint.
  const live = desk.stderr.isTTY === true ? liveOn(desk.stderr, desk.env) : silent
  const store = storeOf(visit, live)
  const check = await failingCheck(visit, store, live)
  const lines =
    check === undefined
      ? [`No check of lesson ${lesson.number} fails: no hint is needed.`]
      : nextHint(visit, store, check)
  desk.stdout.write(`${lines.join('\n')}\n`)
  return 0
}

/** Remembers that it was shown. After the last one, all are shown again. */
export function nextHint(visit: Visit, store: ProgressStore, check: string): readonly string[] {
  const { paint } = pageOf(visit)
  const hints = hintTexts(visit, check)
  const read = inProject(visit.lesson.readme, visit.desk.root)
  if (hints.length === 0) return [`There is no hint for “${check}”; ${read} explains it.`]
  const shown = store.read(visit.lesson.slug).hints[check] ?? 0
  const number = shown + 1
  const heading = (text: string): string => paint.bold(`${text} · ${check}`)
  if (number > hints.length) {
    const solution = paint.gray(`That is all. The solution: npm run lesson ${visit.lesson.number} solution`)
    return [heading('All hints'), ...hints.flatMap((text) => ['', ...text.split('\n')]), '', solution]
  }
  store.change(visit.lesson.slug, (before) => afterHint(before, check, number))
  return [heading(`Hint ${number} of ${hints.length}`), '', ...(hints[shown] ?? '').split('\n')]
}

/** What failed last, if nothing was edited since; otherwise a fresh check tells. */
async function failingCheck(visit: Visit, store: ProgressStore, live: Live): Promise<string | undefined> {
  const { last } = store.read(visit.lesson.slug)
  const now = await fingerprintOf(visit.lesson.folder)
  if (last?.fingerprint !== undefined && last.fingerprint === now) return last.stoppedAt
  return stoppedAt(await freshResult(visit, store, live))
}

async function freshResult(visit: Visit, store: ProgressStore, live: Live): Promise<LessonResult> {
  const { desk } = visit
  const interruption = desk.interruption()
  const opening = desk.openGrader()
  await using _ = closing(opening)
  const { paint } = pageOn(desk.stderr, desk, visit.colour)
  const screen = gradingScreen({
    live,
    output: desk.stderr,
    paint,
    headingOf: () => headingOf(visit),
    root: desk.root,
    alone: true,
  })
  live.draw(screen.frame)
  try {
    const grader = await opening
    const { result } = await gradeOnce(visit, grader, {
      onEvent: screen.onEvent,
      signal: interruption,
      store,
    })
    return result
  } catch (error) {
    if (interruption.aborted) throw interruption.reason
    throw error
  } finally {
    live.close()
  }
}

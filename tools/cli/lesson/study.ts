/** A lesson at work: the task, then a check at every save until it passes. Without a terminal, one check. */

import type { Grader } from '../../harness/grading.ts'
import { exitCodeOf } from '../../harness/verdict.ts'
import { gradingScreen } from '../screen/grading.ts'
import { liveOn } from '../screen/live.ts'
import { endLines, failureLines } from './after.ts'
import { closing, gradeOnce, storeOf } from './grade.ts'
import { invitation } from './predict.ts'
import { taskText } from './text.ts'
import { cautionLines, headingOf, pageOf, type Visit } from './visit.ts'

export interface Start {
  /** A grader on its way. */
  readonly opening: Promise<Grader>
  readonly interruption: AbortSignal
}

export async function study(visit: Visit, { opening, interruption }: Start): Promise<number> {
  const { desk } = visit
  await using _ = closing(opening)
  const live = liveOn(desk.stdout, desk.env)
  const store = storeOf(visit, live)
  const first = store.read(visit.lesson.slug).attempts === 0
  const caution = first ? await cautionLines(desk, pageOf(visit)) : []
  live.print([...caution, taskText(visit), '', ...invitation(visit)])
  if (desk.stdin.isTTY === true && desk.stdout.isTTY === true) {
    const { studyAtTerminal } = await import('./session.ts')
    return await studyAtTerminal(visit, { opening, interruption, live })
  }
  const screen = gradingScreen({
    live,
    output: desk.stdout,
    paint: pageOf(visit).paint,
    headingOf: () => headingOf(visit),
    root: desk.root,
    alone: true,
  })
  live.draw(screen.frame)
  try {
    const { result, results } = await gradeOnce(visit, await opening, {
      onEvent: screen.onEvent,
      signal: interruption,
      store,
    })
    live.close()
    live.print(result.verdict === 'passed' ? endLines(visit, result, store) : failureLines(visit, result))
    return exitCodeOf(results)
  } catch (error) {
    if (interruption.aborted) throw interruption.reason
    throw error
  } finally {
    live.close()
  }
}

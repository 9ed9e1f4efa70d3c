/** One run of the grader over all subjects, with everything that is told of it. */

import type { Lesson } from '../../catalog.ts'
import { inProject } from '../../catalog.ts'
import type { Grader, GradingEvent, Subject } from '../../harness/grading.ts'
import { type CheckResult, type LessonResult, type Results, exitCodeOf } from '../../harness/verdict.ts'
import { afterGrading } from '../../progress/progress.ts'
import { progressStore } from '../../progress/store.ts'
import type { Desk, Output } from '../desk.ts'
import { isGone } from '../endings.ts'
import { brokenLines } from '../lesson/after.ts'
import { closing } from '../lesson/grade.ts'
import { outcomeLines } from '../lesson/predict.ts'
import { warnOn } from '../lesson/visit.ts'
import { gradingScreen } from '../screen/grading.ts'
import { columnsOf } from '../screen/fit.ts'
import type { Heading, Page } from '../screen/lines.ts'
import { type Live, liveOn, silent } from '../screen/live.ts'
import { type ColourWish, paintFor, wantsColour } from '../screen/paint.ts'
import { scoreLine, tableLines, throughputLines } from '../screen/summary.ts'
import { documentOf } from './document.ts'
import type { Outputs } from './outputs.ts'
import { signatureLines, signatureOf, signed } from './sign.ts'

export interface Order {
  readonly desk: Desk
  readonly opening: Promise<Grader>
  readonly interruption: AbortSignal
  readonly subjects: readonly Subject[]
  readonly lessons: readonly Lesson[]
  readonly json: boolean
  /** Where the results go, besides. */
  readonly outputs: Outputs
  /** What checks that draw by lot start from. */
  readonly seed: number
  readonly colour: ColourWish
  /** Whether it is the learner's own work, which progress remembers. */
  readonly learners: boolean
}

export async function gradeAll(order: Order): Promise<number> {
  const { desk, opening, subjects, outputs, seed } = order
  await using _ = closing(opening)
  const told = order.json ? desk.stderr : desk.stdout
  const live = order.json && desk.stderr.isTTY !== true ? silent : liveOn(told, desk.env)
  const seen = partialResults()
  const signing = signatureOf(subjects, { root: desk.root, seed })
  signing.catch(() => undefined)
  const remember = order.learners ? await memory(order, live) : undefined
  const reader = new AbortController()
  const stop = AbortSignal.any([order.interruption, reader.signal])
  const onGone = (error: Error): void => {
    // Nobody reads any more. With a file to write there is still somebody to grade for.
    if (isGone(error) && outputs.size === 0) reader.abort(error)
  }
  desk.stdout.on('error', onGone)
  try {
    const grader = await opening
    const page = pageOf(told, order)
    const screen = gradingScreen({
      live,
      output: told,
      paint: page.paint,
      headingOf: headingsOf(order),
      root: desk.root,
      alone: subjects.length === 1,
    })
    live.draw(screen.frame)
    const onEvent = (event: GradingEvent): void => {
      // What a cancelled grading still tells is about the cancelling.
      if (stop.aborted) return
      seen.onEvent(event)
      screen.onEvent(event)
      if (event.type === 'lesson-finished') remember?.(event.result)
    }
    // What it is made of is looked at while the first program starts.
    const [graded, signature] = await Promise.all([grader.grade(subjects, onEvent, stop), signing])
    const results = signed(graded, signature)
    live.close()
    await outputs.write(results)
    if (order.json) desk.stdout.write(documentOf(results))
    tellEnd(live, results, order, pageOf(told, order))
    return exitCodeOf(results)
  } catch (error) {
    if (order.interruption.aborted) throw order.interruption.reason
    if (reader.signal.aborted) return exitCodeOf(seen.results())
    throw error
  } finally {
    live.close()
    desk.stdout.off('error', onGone)
  }
}

/** What is known when the run is cut short: lessons that were not judged count as inconclusive. */
function partialResults(): {
  onEvent(event: GradingEvent): void
  results(): Pick<Results, 'failed' | 'inconclusive' | 'broken'>
} {
  const checks: CheckResult[] = []
  return {
    onEvent(event) {
      if (event.type === 'check-finished') checks.push(event.result)
    },
    results() {
      const failed = checks.filter((check) => check.verdict === 'failed').length
      const broken = checks.filter((check) => check.verdict === 'broken').length
      return { failed, broken, inconclusive: 1 }
    },
  }
}

async function memory({ desk, lessons }: Order, live: Live): Promise<(result: LessonResult) => void> {
  const { fingerprintOf } = await import('../../progress/fingerprint.ts')
  const store = progressStore(desk.root, warnOn(desk, live))
  // Taken before anything is graded: a file that is saved meanwhile counts as not graded yet.
  const prints = new Map(
    await Promise.all(lessons.map(async ({ slug, folder }) => [slug, await fingerprintOf(folder)] as const)),
  )
  return (result) => {
    store.change(result.slug, (before) => afterGrading(before, result, new Date(), prints.get(result.slug)))
  }
}

function headingsOf({ lessons, subjects, desk }: Order): (slug: string) => Heading {
  return (slug) => {
    const lesson = lessons.find((one) => one.slug === slug)
    const subject = subjects.find((one) => one.slug === slug)
    return {
      number: lesson?.number ?? 0,
      title: lesson?.title ?? slug,
      file: subject === undefined ? '' : inProject(subject.file, desk.root),
    }
  }
}

function pageOf(output: Output, { desk, colour }: Order): Page {
  return { columns: columnsOf(output), paint: paintFor(wantsColour(output, desk.env, colour)) }
}

function tellEnd(live: Live, results: Results, order: Order, page: Page): void {
  const [only] = results.lessons
  const details =
    results.lessons.length === 1 && only?.verdict === 'passed' ? throughputLines(only, page) : []
  if (details.length > 0) live.print([...details, ''])
  if (order.learners && results.lessons.length === 1 && only?.verdict === 'passed') {
    const lesson = order.lessons.find(({ slug }) => slug === only.slug)
    if (lesson !== undefined) live.print(outcomeLines({ ...order, lesson }, only.throughput))
  }
  if (results.lessons.length > 1) live.print(tableLines(results, headingsOf(order), page))
  live.print([scoreLine(results, page)])
  live.print(brokenLines(order.desk, results.lessons))
  const next = order.learners ? results.lessons.find((lesson) => lesson.verdict !== 'passed') : undefined
  if (next !== undefined) live.print([`Next: npm run lesson ${next.number}`])
  live.print(signatureLines(results, page))
}

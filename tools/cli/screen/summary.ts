/** What is said at the end: a learner's number against the ideal, the table of several lessons, the score. */

import type { LessonResult, Results, Throughput } from '../../harness/verdict.ts'
import { fit, pad, widthOf, wrap } from './fit.ts'
import { type Heading, type Page, secondsOf, signOf } from './lines.ts'

/** Wall-clock and CPU time may tell different shares on a busy machine; from here on the second is the one to show. */
const busyGap = 0.15

/** The learner's number after a pass. Lesson 1 stays one process: what it is shown is the head-room. */
export function throughputLines(result: LessonResult, { columns, paint }: Page): readonly string[] {
  const { throughput } = result
  if (throughput === undefined) return []
  const texts = result.number === 1 ? headroomTexts(throughput) : shareTexts(throughput)
  return texts.flatMap((text, index) => {
    const lines = wrap(text, columns - 4).map((line) => `    ${line}`)
    return index === 0 ? lines.map(paint.bold) : lines.map(paint.gray)
  })
}

/** The share to show, in words: `97 % of the speed-up`. */
export function shareOf(throughput: Throughput): { readonly share: number; readonly accounted: boolean } {
  const accounted = Math.abs(throughput.accounted - throughput.share) > busyGap
  return { share: accounted ? throughput.accounted : throughput.share, accounted }
}

/** A line for each lesson: verdict, checks that passed, share, time. */
export function tableLines(
  results: Results,
  headingOf: (slug: string) => Pick<Heading, 'title'>,
  { columns, paint }: Page,
): readonly string[] {
  const rows = results.lessons.map((lesson) => ({
    lesson,
    checks: `${lesson.checks.filter((check) => check.verdict === 'passed').length}/${lesson.checks.length}`,
    share:
      lesson.throughput === undefined || lesson.number === 1 ? '' : percent(shareOf(lesson.throughput).share),
    time: secondsOf(lesson.durationMs),
  }))
  const shares = columns >= 66 && rows.some((row) => row.share !== '')
  const widths = { verdict: 12, checks: 6, share: shares ? 7 : 0, time: columns < 52 ? 0 : 8 }
  const room = columns - 4 - widths.verdict - widths.checks - widths.share - widths.time - 1
  const name = (lesson: LessonResult): string =>
    `${String(lesson.number).padStart(2)} · ${headingOf(lesson.slug).title}`
  const title = Math.max(8, Math.min(room, Math.max(...rows.map((row) => widthOf(name(row.lesson))))))
  const line = (cells: readonly [string, string, string, string, string]): string =>
    pad(fit(cells[0], title), title + 1) +
    pad(cells[1], widths.verdict) +
    cells[2].padStart(widths.checks) +
    (widths.share === 0 ? '' : cells[3].padStart(widths.share)) +
    (widths.time === 0 ? '' : cells[4].padStart(widths.time))
  return [
    `    ${paint.gray(line(['lesson', 'verdict', 'checks', 'share', 'time']))}`,
    ...rows.map(({ lesson, checks, share, time }) => {
      return `  ${signOf(lesson.verdict, paint)} ${line([name(lesson), lesson.verdict, checks, share, time])}`
    }),
    '',
  ]
}

/** `2 of 3 lessons passed, 1 failed. 41 s` */
export function scoreLine(results: Results, { paint }: Page): string {
  const all = results.lessons.length
  const others = [
    [results.failed, 'failed'],
    [results.inconclusive, 'inconclusive'],
    [results.broken, wordOf('broken')],
  ] as const
  const rest = others.filter(([count]) => count > 0).map(([count, word]) => `, ${count} ${word}`)
  const [only] = results.lessons
  const score =
    all === 1 && only !== undefined
      ? `Lesson ${only.number}: ${wordOf(only.verdict)}.`
      : `${results.passed} of ${all} lessons passed${rest.join('')}.`
  const colour = results.passed === all ? paint.green : paint.bold
  return `${colour(score)} ${paint.gray(secondsOf(results.durationMs))}`
}

function wordOf(verdict: LessonResult['verdict']): string {
  return verdict === 'broken' ? 'could not be checked' : verdict
}

function shareTexts(throughput: Throughput): readonly string[] {
  const { one, ideal, yours, low, high, workers, threshold } = throughput
  const { share, accounted } = shareOf(throughput)
  const others = accounted ? ', after what other programs took of the cores' : ''
  return [
    `${percent(share)} of the speed-up that a reference cluster gets here${others}.`,
    `${workers === 1 ? '1 worker' : `${workers} workers`} served ${(yours / one).toFixed(1)} × one process: ` +
      `${rate(yours)} requests/s against ${rate(one)}; the reference got ${rate(ideal)}.`,
    `Measured in CPU time it lies between ${percent(low)} and ${percent(high)}; the lesson asks for ${percent(threshold)}.`,
  ]
}

function headroomTexts({ one, ideal, yours, workers }: Throughput): readonly string[] {
  return [
    `Your one process serves ${rate(yours)} requests/s; the reference's one process serves ${rate(one)}.`,
    `A reference cluster of ${workers} on the same cores serves ${rate(ideal)}, ${(ideal / one).toFixed(1)} × as many: ` +
      'that is the head-room of the next lessons.',
  ]
}

function rate(requestsPerSecond: number): string {
  return requestsPerSecond.toFixed(0)
}

/** With a space that no line breaks at. */
function percent(share: number): string {
  return `${(share * 100).toFixed(0)}\u00A0%`
}

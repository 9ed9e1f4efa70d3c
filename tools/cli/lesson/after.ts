/** What is said after a check: the learner's number and what comes next, or what helps now. */

import type { Lesson } from '../../catalog.ts'
import type { LessonResult } from '../../harness/verdict.ts'
import type { Desk } from '../desk.ts'
import { pleaFor } from '../fault.mjs'
import type { ProgressStore } from '../../progress/store.ts'
import { throughputLines } from '../screen/summary.ts'
import { journeyLines, type Leg } from '../screen/journey.ts'
import { outcomeLines } from './predict.ts'
import { type Visit, pageOf } from './visit.ts'

export function endLines(visit: Visit, result: LessonResult, store: ProgressStore): readonly string[] {
  const { lesson, lessons } = visit
  const page = pageOf(visit)
  const { paint } = page
  const numbers = throughputLines(result, page)
  const open = lessons.filter((one) => one !== lesson && store.read(one.slug).passedAt === undefined)
  const next = open.find((one) => one.number > lesson.number) ?? open[0]
  return [
    ...numbers,
    ...(numbers.length > 0 ? [''] : []),
    ...outcomeLines(visit, result.throughput),
    paint.green(`Lesson ${lesson.number} is passed.`),
    `Compare with the solution:  npm run lesson ${lesson.number} solution`,
    ...(next === undefined
      ? [
          'That was the last one. To grade all:  npm run check',
          '',
          ...journeyLines(lessonsWithProgress(lessons, store), page),
        ]
      : [`Next, ${next.title}:  ${paint.cyan(`npm run lesson ${next.number}`)}`]),
  ]
}

function lessonsWithProgress(lessons: readonly Lesson[], store: ProgressStore): readonly Leg[] {
  return lessons.map((lesson) => ({ lesson, progress: store.read(lesson.slug) }))
}

export function failureLines(visit: Visit, result: LessonResult): readonly string[] {
  const { lesson } = visit
  const command = `npm run lesson ${lesson.number}`
  switch (result.verdict) {
    case 'failed':
      return [
        `Lesson ${lesson.number} does not pass yet. A hint:  ${command} hint`,
        ...(lesson.preview ? [PREVIEW] : []),
      ]
    case 'inconclusive':
      return ['Nothing failed, and not all could be told.', `When the machine is quieter:  ${command}`]
    case 'broken':
      return brokenLines(visit.desk, [result])
    case 'passed':
      return []
  }
}

const PREVIEW =
  'This lesson is a preview: its checker has not had all of its tests yet. If you are sure that your program keeps the ' +
  'contract, believe your program, and report it (CONTRIBUTING.md).'

/** A checker that does not work is never the learner's fault. */
export function brokenLines(desk: Desk, results: readonly LessonResult[]): readonly string[] {
  const broken = results.filter((result) => result.verdict === 'broken')
  if (broken.length === 0) return []
  const what = broken.map((result) => JSON.stringify(result, undefined, 2)).join('\n')
  const plea = pleaFor(desk.root, what, process.argv.slice(2))
  return [`The checker itself is at fault here, not your program. ${plea}`]
}

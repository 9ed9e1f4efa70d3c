/** All lessons with the learner's progress, and which is next. */

import type { Lesson } from '../../catalog.ts'
import type { Progress } from '../../progress/progress.ts'
import { progressStore } from '../../progress/store.ts'
import { fit, pad, widthOf } from '../screen/fit.ts'
import { journeyLines } from '../screen/journey.ts'
import { type Page, signOf } from '../screen/lines.ts'
import { type Visit, cautionLines, pageOf, warnOn } from './visit.ts'

export async function list({ desk, lessons, colour }: Omit<Visit, 'lesson'>): Promise<number> {
  const page = pageOf({ desk, colour })
  const caution = await cautionLines(desk, page)
  const store = progressStore(desk.root, warnOn(desk))
  const progress = lessons.map((lesson) => store.read(lesson.slug))
  const passed = progress.filter((one) => one.passedAt !== undefined).length
  const next = lessons.find((_, index) => progress[index]?.passedAt === undefined)
  const lines = [
    ...caution,
    `${page.paint.bold('Every Core')} · ${passed} of ${lessons.length} lessons passed`,
    '',
    ...rows(lessons, progress, next, page),
    '',
    next === undefined
      ? 'All lessons are passed. To grade them again: npm run check'
      : `Next: ${page.paint.cyan(`npm run lesson ${next.number}`)}`,
    ...(next === undefined ? ['', ...journeyLines(legsOf(lessons, progress), page)] : []),
  ]
  desk.stdout.write(`${lines.join('\n')}\n`)
  return 0
}

function legsOf(lessons: readonly Lesson[], progress: readonly Progress[]) {
  return lessons.flatMap((lesson, index) => {
    const one = progress[index]
    return one === undefined ? [] : [{ lesson, progress: one }]
  })
}

function rows(
  lessons: readonly Lesson[],
  progress: readonly Progress[],
  next: Lesson | undefined,
  { columns, paint }: Page,
): readonly string[] {
  const names = lessons.map((lesson) => `${String(lesson.number).padStart(2)} · ${lesson.title}`)
  const nameRoom = Math.min(Math.max(...names.map((name) => widthOf(name)), 0), columns - 4)
  return lessons.map((lesson, index) => {
    const one = progress[index]
    const sign =
      one?.passedAt !== undefined ? signOf('passed', paint) : signOf(one?.last?.verdict ?? 'skipped', paint)
    const name = pad(fit(names[index] ?? '', nameRoom), nameRoom)
    const told = fit(one === undefined ? '' : toldOf(one), columns - nameRoom - 6)
    const line = `${lesson === next ? paint.bold(name) : name}  ${paint.gray(told)}`
    return `  ${sign} ${line}`.trimEnd()
  })
}

function toldOf({ passedAt, last, attempts }: Progress): string {
  if (passedAt !== undefined) {
    const since = `passed on ${passedAt.slice(0, 10)}`
    return last === undefined || last.verdict === 'passed'
      ? since
      : `${since}; the last check ${outcome(last)}`
  }
  return last === undefined || attempts === 0 ? '' : `the last check ${outcome(last)}`
}

function outcome({ verdict, stoppedAt }: NonNullable<Progress['last']>): string {
  const where = stoppedAt === undefined ? '' : `: ${stoppedAt}`
  switch (verdict) {
    case 'passed':
      return 'passed'
    case 'failed':
      return `failed${where}`
    case 'inconclusive':
      return `was inconclusive${where}`
    case 'broken':
      return `could not be made${where}`
  }
}

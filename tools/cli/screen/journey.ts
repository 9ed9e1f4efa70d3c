/** The whole way, measured: one core against all, and what each lesson cost. Told when every lesson is passed. */

import type { Lesson } from '../../catalog.ts'
import type { Throughput } from '../../harness/verdict.ts'
import type { Progress } from '../../progress/progress.ts'
import { fit, pad, widthOf, wrap } from './fit.ts'
import type { Page } from './lines.ts'
import { shareOf } from './summary.ts'

export interface Leg {
  readonly lesson: Pick<Lesson, 'number' | 'title'>
  readonly progress: Pick<Progress, 'throughput'>
}

/** Nothing where no throughput was measured, as on one core. Rates in requests per second. */
export function journeyLines(legs: readonly Leg[], { columns, paint }: Page): readonly string[] {
  const measured = legs.flatMap(({ lesson, progress: { throughput } }) =>
    throughput === undefined ? [] : [{ lesson, throughput }],
  )
  if (measured.length === 0) return []
  const names = measured.map(({ lesson }) => `${String(lesson.number).padStart(2)} · ${lesson.title}`)
  const numbers = 5 * WIDTH
  const room = Math.max(8, Math.min(columns - 4 - numbers, Math.max(...names.map((name) => widthOf(name)))))
  const line = (name: string, cells: readonly string[]): string =>
    `    ${pad(fit(name, room), room)}${cells.map((cell) => cell.padStart(WIDTH)).join('')}`
  return [
    paint.bold('What you have built, measured on this machine'),
    '',
    paint.gray(line('lesson', ['one core', 'yours', 'times', 'share', 'cost'])),
    ...measured.map(({ lesson, throughput }, index) =>
      line(names[index] ?? '', cellsOf(throughput, lesson.number === 1)),
    ),
    '',
    ...wrap(EXPLANATION, columns - 4).map((text) => `    ${paint.gray(text)}`),
  ]
}

const WIDTH = 10

const EXPLANATION =
  'Requests a second of one process, and of your program; how many times that is; its share of the speed-up of a ' +
  'plain cluster; and what a page costs in CPU time against one plain process (on shared cores a little over 1 is ' +
  'usual). Each line is from the last check of that lesson, so other programs may have used the cores.'

/** The first lesson is the baseline: a share of a cluster's gain is what it shall not have. */
function cellsOf(throughput: Throughput, isBaseline: boolean): readonly string[] {
  const { one, yours, efficiency } = throughput
  return [
    one.toFixed(0),
    yours.toFixed(0),
    `${(yours / one).toFixed(2)} ×`,
    isBaseline ? '' : `${(shareOf(throughput).share * 100).toFixed(0)} %`,
    `${(1 / efficiency).toFixed(2)} ×`,
  ]
}

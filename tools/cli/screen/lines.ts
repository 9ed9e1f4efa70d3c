/** The lines that stay on the screen: a lesson's heading, and what became of each check. */

import type { CheckResult, CheckVerdict, Verdict } from '../../harness/verdict.ts'
import { pad, spread, widthOf, wrap } from './fit.ts'
import type { Paint } from './paint.ts'

export interface Page {
  readonly columns: number
  readonly paint: Paint
}

export interface Heading {
  readonly number: number
  readonly title: string
  /** Relative to the project. */
  readonly file: string
}

/** `3 · A basic cluster          lessons/03-basic-cluster/server.ts` */
export function headingLines(heading: Heading, { columns, paint }: Page): readonly string[] {
  const title = `${heading.number} · ${heading.title}`
  const line = spread(title, heading.file, columns)
  if (line === undefined) return [paint.bold(title), `    ${paint.gray(heading.file)}`]
  return [paint.bold(title) + paint.gray(line.slice(title.length))]
}

/** The line of a finished check and, unless it passed, what there is to know about it. */
export function checkLines(result: CheckResult, page: Page): readonly string[] {
  return [...titleLines(result, page), ...explanationLines(result, page)]
}

/** The sign of a verdict, in its colour. A check that did not run never gets a tick. */
export function signOf(verdict: CheckVerdict | Verdict, paint: Paint): string {
  switch (verdict) {
    case 'passed':
      return paint.green('✓')
    case 'failed':
      return paint.red('✗')
    case 'inconclusive':
      return paint.yellow('?')
    case 'broken':
      return paint.magenta('!')
    case 'skipped':
      return paint.gray('·')
  }
}

/** `0.6 s`, `12 s`. */
export function secondsOf(durationMs: number): string {
  const seconds = durationMs / 1000
  return `${seconds < 9.95 ? seconds.toFixed(1) : seconds.toFixed(0)} s`
}

function titleLines(result: CheckResult, { columns, paint }: Page): readonly string[] {
  const aside = result.verdict === 'skipped' ? 'skipped' : secondsOf(result.durationMs)
  const quiet = result.verdict === 'skipped' ? paint.gray : (text: string): string => text
  const lines = wrap(result.name, columns - 4 - widthOf(aside) - 2)
  return lines.map((line, index) => {
    const start = index === 0 ? `  ${signOf(result.verdict, paint)} ` : '    '
    if (index < lines.length - 1) return start + quiet(line)
    return start + quiet(pad(line, columns - 4 - widthOf(aside))) + paint.gray(aside)
  })
}

const labelWidth = 10

function explanationLines(result: CheckResult, page: Page): readonly string[] {
  const { paint } = page
  const told = result.verdict === 'failed' ? paint.red : paint.yellow
  return [
    ...labelled('expected', result.expected, page),
    ...labelled('got', result.got, page, told),
    ...labelled('likely', result.likely, page),
    ...labelled(
      result.verdict === 'inconclusive' || result.verdict === 'broken' ? 'because' : 'note',
      result.note,
      page,
    ),
    ...unbroken('read', result.read, page, paint.cyan),
    ...unbroken('repeat', result.repeat, page),
  ]
}

function labelled(
  label: string,
  text: string | undefined,
  { columns, paint }: Page,
  colour: (text: string) => string = (same) => same,
): readonly string[] {
  if (text === undefined || text === '') return []
  const indent = indentFor(columns)
  const lines = wrap(text.trimEnd(), columns - indent - labelWidth)
  return lines.map((line, index) => {
    return ' '.repeat(indent) + paint.gray(pad(index === 0 ? label : '', labelWidth)) + colour(line)
  })
}

/** A path and a command are for copying: no line break of ours comes into them. */
function unbroken(
  label: string,
  text: string | undefined,
  { columns, paint }: Page,
  colour: (text: string) => string = (same) => same,
): readonly string[] {
  if (text === undefined || text === '') return []
  return [' '.repeat(indentFor(columns)) + paint.gray(pad(label, labelWidth)) + colour(text)]
}

function indentFor(columns: number): number {
  return columns < 44 ? 4 : 6
}

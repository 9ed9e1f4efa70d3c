/** The coverage of the contracts as Markdown: each check, the mistakes that show it, and what it answers for. */

import { readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Lesson } from '../../catalog.ts'
import { checkNames, expectationsOf, type Expectation } from '../expectations.ts'
import { BESIDE, answersOf, type Answers } from './answers.ts'
import { contractOf } from './sentences.ts'

export interface Coverage {
  readonly lesson: Lesson
  readonly sentences: number
  readonly answers: Answers
  readonly rows: readonly Row[]
}

export interface Row {
  readonly check: string
  /** Names of the programs that only this check is there to catch: those that every `npm test` grades. */
  readonly mistakes: readonly string[]
  /** And those under `more/`. */
  readonly more: readonly string[]
}

/** @throws if the lesson has no `answers.md` */
export function coverageOf(lesson: Lesson): Coverage {
  const mistakes = expectationsOf(lesson, { more: true }).filter(({ kind }) => kind === 'mistake')
  const answers = answersOf(readFileSync(answersFile(lesson), 'utf8'))
  const rows = checkNames(lesson).map((check) => {
    const own = mistakes.filter(({ caughtBy }) => caughtBy === check)
    return {
      check,
      mistakes: own.filter((one) => !isMore(one)).map(nameOf),
      more: own.filter(isMore).map(nameOf),
    }
  })
  return { lesson, sentences: contractOf(readFileSync(lesson.readme, 'utf8')).length, answers, rows }
}

export function answersFile(lesson: Lesson): string {
  return join(lesson.checks, 'answers.md')
}

/** Checks that no mistake shows: nobody knows whether they would catch anything. */
export function gapsOf({ rows }: Coverage): readonly string[] {
  return rows
    .filter(({ mistakes, more }) => mistakes.length + more.length === 0)
    .map(({ check }) => `“${check}”`)
}

/** A line for each lesson, and the gaps by name. */
export function summaryOf(all: readonly Coverage[]): string {
  const lines = all.map((coverage) => {
    const { lesson, rows, sentences, answers } = coverage
    const sum = (count: (row: Row) => number): number => rows.reduce((total, row) => total + count(row), 0)
    const cells = [
      `[${lesson.number}](#lesson-${lesson.number})`,
      rows.length,
      sum(({ mistakes }) => mistakes.length),
      sum(({ more }) => more.length),
      rows.filter(({ mistakes, more }) => mistakes.length === 0 && more.length > 0).length,
      gapsOf(coverage).length,
      sentences,
      answers.get('Not checked')?.length ?? 0,
    ]
    return row(cells.map(String))
  })
  const gaps = all.flatMap((coverage) =>
    gapsOf(coverage).map((gap) => `- lesson ${coverage.lesson.number}: ${gap}`),
  )
  return [
    row([
      'lesson',
      'checks',
      'mistakes',
      'under more/',
      'checks shown only there',
      'by none',
      'sentences',
      'not checked',
    ]),
    row(Array.from({ length: 8 }, () => '---')),
    ...lines,
    '',
    gaps.length === 0
      ? 'Every check has a mistake that it alone is there to catch.'
      : 'Checks without a mistake:',
    ...(gaps.length === 0 ? [] : ['', ...gaps]),
  ].join('\n')
}

/** The section of one lesson. */
export function sectionFor({ lesson, rows, answers }: Coverage): string {
  const readme = readFileSync(lesson.readme, 'utf8')
  const contract = contractOf(readme)
  const quoted = (words: readonly string[]): string =>
    words
      .map((some) =>
        contract.some((sentence) => sentence.includes(some)) ? some : `${some} *(how it is checked)*`,
      )
      .join(' · ')
  const besides = BESIDE.flatMap((heading) => {
    const words = answers.get(heading) ?? []
    return words.length === 0 ? [] : [`${heading}: ${quoted(words)}.`, '']
  })
  return [
    `## Lesson ${lesson.number}`,
    '',
    `[The contract](../lessons/${lesson.slug}/README.md#the-contract) · [what answers for it](${lesson.slug}/answers.md)`,
    '',
    row(['check', 'mistakes', 'answers for']),
    row(['---', '---', '---']),
    ...rows.map(({ check, mistakes, more }) =>
      row([check, mistakesIn(mistakes, more), quoted(answers.get(check) ?? [])]),
    ),
    '',
    ...besides,
  ]
    .join('\n')
    .trimEnd()
}

function mistakesIn(mistakes: readonly string[], more: readonly string[]): string {
  if (mistakes.length + more.length === 0) return '**none**'
  const parts = [mistakes.join(', '), more.length === 0 ? '' : `*more:* ${more.join(', ')}`]
  return parts.filter((part) => part !== '').join('; ')
}

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', String.raw`\|`)).join(' | ')} |`
}

function isMore({ file }: Expectation): boolean {
  return /[\\/]more[\\/]/.test(file)
}

function nameOf({ file }: Expectation): string {
  return basename(file).replace(/\.[cm]?[jt]s$/, '')
}

/** What the ledger says, as Markdown: how often each check was right, by what went on beside. */

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { lessons, projectRoot, type Lesson } from '../../catalog.ts'
import { checkNames } from '../expectations.ts'
import type { Tally } from '../tally.ts'
import { entries as recorded, inLedger, none, plus, type Counts, type Entry } from './ledger.ts'

export const accuracyFile = join(projectRoot, 'checks', 'ACCURACY.md')

export function accuracyDocument(entries: readonly Entry[], all: readonly Lesson[]): string {
  return `${about}\n\n${accuracyTable(entries, all)}\n`
}

/** In `npm test`: the table is what the ledger says, and the ledger tells of checks that are there. */
export function auditAccuracy(tally: Tally): void {
  const known = new Set(
    lessons().flatMap((lesson) => checkNames(lesson).map((name) => `${lesson.slug} ${name}`)),
  )
  const gone = recorded().flatMap(({ lesson, checks }) =>
    Object.keys(checks).filter((name) => !known.has(`${lesson} ${name}`)),
  )
  tally.add(
    'the ledger of accuracy tells of checks that are there',
    gone.length === 0 ? undefined : `rename these in ${inLedger}, or delete their lines:\n${gone.join('\n')}`,
    0,
  )
  const text = existsSync(accuracyFile) ? readFileSync(accuracyFile, 'utf8') : ''
  tally.add(
    'checks/ACCURACY.md is up to date',
    text === accuracyDocument(recorded(), lessons())
      ? undefined
      : 'it is not what the ledger says: run `npm run flakiness -- --table`, and commit it',
    0,
  )
}

/** A summary, the gradings of throughput, and a table of the checks of each lesson. */
export function accuracyTable(entries: readonly Entry[], lessons: readonly Lesson[]): string {
  const states = [...new Set(entries.map(({ beside }) => beside))].sort(byWeight)
  if (states.length === 0) return 'Nothing has been recorded yet.'
  const parts = [summary(entries, states), throughput(entries, states)]
  for (const lesson of lessons) {
    const own = entries.filter((entry) => entry.lesson === lesson.slug && entry.what === 'checks')
    if (own.length > 0) parts.push(checksOf(lesson, own, states))
  }
  return parts.filter((part) => part !== '').join('\n\n')
}

function summary(entries: readonly Entry[], states: readonly string[]): string {
  const rows = states.map((state) => {
    const own = entries.filter(({ beside }) => beside === state)
    const count = (what: Entry['what']): string =>
      cell(own.filter((entry) => entry.what === what).flatMap(({ checks }) => Object.values(checks)))
    return `| ${state} | ${count('checks')} | ${count('throughput')} |`
  })
  return [
    '## In all',
    '',
    '| beside | verdicts of single checks | gradings of throughput alone |',
    '| --- | --- | --- |',
    ...rows,
  ].join('\n')
}

function throughput(entries: readonly Entry[], states: readonly string[]): string {
  const own = entries.filter(({ what }) => what === 'throughput')
  if (own.length === 0) return ''
  const programs = [...new Set(own.map(({ program }) => program))].sort()
  const rows = programs.map((program) => {
    const cells = states.map((state) =>
      cell(
        own
          .filter((entry) => entry.program === program && entry.beside === state)
          .flatMap(({ checks }) => Object.values(checks)),
      ),
    )
    return `| \`${program}\` | ${cells.join(' | ')} |`
  })
  return ['## Throughput, graded alone', '', ...head('program', states), ...rows].join('\n')
}

function checksOf(lesson: Lesson, entries: readonly Entry[], states: readonly string[]): string {
  const used = states.filter((state) => entries.some(({ beside }) => beside === state))
  const rows = checkNames(lesson).map((name) => {
    const cells = used.map((state) =>
      cell(entries.filter(({ beside }) => beside === state).flatMap(({ checks }) => checks[name] ?? [])),
    )
    return `| ${name} | ${cells.join(' | ')} |`
  })
  return [`## ${lesson.slug}`, '', ...head('check', used), ...rows].join('\n')
}

function head(first: string, states: readonly string[]): readonly string[] {
  const names = states.map((state) => (state === 'nothing' ? 'nothing beside' : state))
  return [`| ${[first, ...names].join(' | ')} |`, `|${' --- |'.repeat(states.length + 1)}`]
}

/** `48 of 50, 2 inconclusive`: those that are right, of how many, and what the others were. */
function cell(counts: readonly Counts[]): string {
  const sum = counts.reduce(plus, none)
  const all = sum.right + sum.wrong + sum.inconclusive + sum.broken
  if (all === 0) return ''
  const others = (['wrong', 'inconclusive', 'broken'] as const)
    .filter((outcome) => sum[outcome] > 0)
    .map((outcome) => (outcome === 'wrong' ? `**${sum.wrong} wrong**` : `${sum[outcome]} ${outcome}`))
  return [`${sum.right} of ${all}`, ...others].join(', ')
}

/** What disturbs least comes first. */
function byWeight(a: string, b: string): number {
  const weight = (state: string): number => ['nothing', 'one loop', '2 loops'].indexOf(state)
  const rank = (state: string): number => (weight(state) === -1 ? 3 : weight(state))
  return rank(a) - rank(b) || a.localeCompare(b)
}

const about = `# Accuracy

Made by \`npm run flakiness -- --table\` from \`${inLedger}\`, to which every \`npm run flakiness -- --record …\` adds. A right verdict is a pass for a solution or a variant, and for a mistake a failure at the check that has to catch it, with a pass of all before. An inconclusive one is no error, and should be rare. A column tells what went on beside: a loop is a program that only uses a core, a burst is a second of load on each core after a second of rest.

When a check is mended, its verdicts from before say nothing any more: delete their lines from the ledger, and tell of it in the commit.`

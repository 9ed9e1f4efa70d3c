/** Results as Markdown, for the summary that a code host shows beside a run. */

import { stripVTControlCharacters } from 'node:util'
import type { CheckResult, LessonResult, Results } from '../../harness/verdict.ts'
import { secondsOf } from '../screen/lines.ts'
import { shareOf } from '../screen/summary.ts'
import { signatureTexts } from './sign.ts'

/** A code host takes 1 MiB in all; what a program printed may be long. */
const longest = 2000

const signs = {
  passed: '✅',
  failed: '❌',
  inconclusive: '❔',
  broken: '⚠️',
  skipped: '➖',
} as const

/** @param titleOf a lesson's title by its slug */
export function markdownOf(results: Results, titleOf: (slug: string) => string): string {
  const all = results.lessons.length
  const stopped = results.lessons.flatMap((lesson) => {
    const check = lesson.checks.find(({ verdict }) => verdict !== 'passed' && verdict !== 'skipped')
    return check === undefined ? [] : sectionOf(lesson, check, titleOf(lesson.slug))
  })
  return [
    `## Every Core: ${results.passed} of ${all} ${all === 1 ? 'lesson' : 'lessons'} passed`,
    '',
    '| | lesson | verdict | checks | share | time |',
    '| --- | --- | --- | ---: | ---: | ---: |',
    ...results.lessons.map((lesson) => rowOf(lesson, titleOf(lesson.slug))),
    '',
    ...stopped,
    ...(results.inconclusive > 0 ? [INCONCLUSIVE, ''] : []),
    ...(results.broken > 0 ? [BROKEN, ''] : []),
    `<sub>${plain(signatureTexts(results).join(' · '))}</sub>`,
    '',
    '',
  ].join('\n')
}

function rowOf(lesson: LessonResult, title: string): string {
  const passed = lesson.checks.filter(({ verdict }) => verdict === 'passed').length
  const share =
    lesson.throughput === undefined || lesson.number === 1
      ? ''
      : `${(shareOf(lesson.throughput).share * 100).toFixed(0)} %`
  const cells = [
    signs[lesson.verdict],
    `${lesson.number} · ${plain(title)}`,
    lesson.verdict === 'broken' ? 'could not be checked' : lesson.verdict,
    `${passed}/${lesson.checks.length}`,
    share,
    secondsOf(lesson.durationMs),
  ]
  return `| ${cells.join(' | ')} |`
}

function sectionOf(lesson: LessonResult, check: CheckResult, title: string): readonly string[] {
  const told = (['expected', 'got', 'likely', 'note', 'read', 'repeat'] as const).flatMap((label) => {
    const text = check[label]
    if (text === undefined || text === '') return []
    const name = label === 'note' && check.verdict !== 'failed' ? 'because' : label
    return [`${name.padEnd(9)} ${clipped(text).replaceAll('\n', `\n${' '.repeat(10)}`)}`]
  })
  const block = told.join('\n')
  // Longer than any row of backticks inside.
  const fence = '`'.repeat(Math.max(3, ...[...block.matchAll(/`+/g)].map(([row]) => row.length + 1)))
  return [
    `### ${signs[check.verdict]} ${lesson.number} · ${plain(title)}: ${plain(check.name)}`,
    '',
    ...(block === '' ? [] : [`${fence}text`, block, fence, '']),
  ]
}

function clipped(text: string): string {
  // Control characters of programs do nothing good on a page.
  const clean = stripVTControlCharacters(text).replaceAll(/[^\t\n\u0020-\u{10FFFF}]/gu, '')
  return clean.length <= longest ? clean : `${clean.slice(0, longest)}…`
}

/** Outside of code: nothing in it is Markdown or HTML. */
function plain(text: string): string {
  return clipped(text)
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/[\\`*_[\]<>|#~&]/g, (character) => (character === '<' ? '&lt;' : `\\${character}`))
}

const INCONCLUSIVE =
  '**Inconclusive** means that nothing failed and not all could be told; the reason stands above. It is no fail: run it ' +
  'again when the machine is quieter.'

const BROKEN =
  '**Could not be checked** means that the checker itself is at fault, not the program. Please report it ' +
  '(CONTRIBUTING.md).'

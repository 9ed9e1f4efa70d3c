/** Two documents of results side by side: what became of each lesson, and what the two were made of. */

import { readFileSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import type { LessonResult, Results } from '../../harness/verdict.ts'
import { bytesText } from '../doctor/finding.ts'
import { UsageError } from '../endings.ts'
import { pad, widthOf, wrap } from '../screen/fit.ts'
import type { Page } from '../screen/lines.ts'
import { shareOf } from '../screen/summary.ts'

/** @param paths two files, relative to the project or absolute. @throws UsageError when they are not what they should be */
export function compareLines(paths: readonly string[], root: string, page: Page): readonly string[] {
  const [a, b] = paths
  if (paths.length !== 2 || a === undefined || b === undefined) {
    throw new UsageError('--compare takes two documents: npm run check -- --compare before.json after.json')
  }
  return comparison([read(resolve(root, a)), read(resolve(root, b))], [basename(a), basename(b)], page)
}

type Two<Item> = readonly [Item, Item]

export function comparison(
  [a, b]: Two<Results>,
  names: Two<string>,
  { columns, paint }: Page,
): readonly string[] {
  const same: string[] = []
  const different: string[] = []
  for (const [name, textOf] of Object.entries(madeOf)) {
    const [one, other] = [textOf(a), textOf(b)]
    if (one === other) same.push(`${name} ${one}`)
    else different.push(`${name}: ${one} → ${other}`)
  }
  const conditions = [
    ...different.flatMap((text) => wrap(text, columns - 2)).map((line) => `  ${paint.yellow(line)}`),
    ...wrap(`The same: ${same.join(', ') || 'nothing'}.`, columns - 2).map((line) => `  ${paint.gray(line)}`),
  ]
  return [paint.bold(names.join(' → ')), '', ...table([a, b], { columns, paint }), '', ...conditions]
}

/** What a difference of two results may be due to, besides the program. */
const madeOf: Readonly<Record<string, (results: Results) => string>> = {
  workshop: ({ workshop, commit }) => `${workshop}${commit === undefined ? '' : ` (${commit.slice(0, 8)})`}`,
  Node: ({ node }) => node,
  platform: ({ platform }) => platform,
  system: ({ machine }) => machine?.system ?? 'not told',
  CPU: ({ machine }) => machine?.cpu ?? 'not told',
  cores: ({ cores, machine }) =>
    machine?.quota === undefined ? `${cores}` : `${cores}, quota ${machine.quota}`,
  memory: ({ machine }) => (machine === undefined ? 'not told' : bytesText(machine.memoryBytes)),
  seed: ({ seed }) => (seed === undefined ? 'not told' : `${seed}`),
}

function table([a, b]: Two<Results>, { columns, paint }: Page): readonly string[] {
  const slugs = [...new Set([...a.lessons, ...b.lessons].map(({ slug }) => slug))].sort()
  const rows = slugs.map((slug) => {
    const pair = [a, b].map(({ lessons }) => lessons.find((lesson) => lesson.slug === slug))
    const [one, other] = pair
    return {
      changed: one?.verdict !== other?.verdict,
      cells: [
        slug,
        changeOf(pair.map((lesson) => lesson?.verdict ?? 'not graded')),
        changeOf(pair.map(shareText)),
        one === undefined || other === undefined ? '' : programText(one, other),
      ],
    }
  })
  const heads = ['lesson', 'verdict', 'share', 'program']
  const widths = heads.map((head, column) =>
    Math.max(...[head, ...rows.map(({ cells }) => cells[column] ?? '')].map((text) => widthOf(text))),
  )
  // A narrow window has no room for columns: what changed of a lesson stands below its name.
  if (widths.reduce((sum, width) => sum + width + 2, 0) > columns) {
    return rows.flatMap(({ cells: [slug = '', ...told], changed }) => [
      changed ? paint.bold(slug) : slug,
      ...told.filter((text) => text !== '').map((text) => `  ${text}`),
    ])
  }
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => pad(cell, (widths[column] ?? 0) + 2))
      .join('')
      .trimEnd()
  return [
    paint.gray(`  ${line(heads)}`),
    ...rows.map(({ cells, changed }) => `  ${changed ? paint.bold(line(cells)) : line(cells)}`),
  ]
}

function changeOf([one = '', other = '']: readonly string[]): string {
  return one === other ? one : `${one || '–'} → ${other || '–'}`
}

function shareText(lesson: LessonResult | undefined): string {
  if (lesson?.throughput === undefined || lesson.number === 1) return ''
  return `${(shareOf(lesson.throughput).share * 100).toFixed(0)} %`
}

/** Whether it is the same program under the same checker. */
function programText(one: LessonResult, other: LessonResult): string {
  if (one.sources === undefined || other.sources === undefined) return 'not told'
  const program = hashesOf(one) === hashesOf(other) ? 'the same' : 'another'
  return one.checker === other.checker ? program : `${program}, other checks`
}

/** A program is what its files hold, wherever they lie: a copy that was handed in is the same. */
function hashesOf({ sources = {} }: LessonResult): string {
  return Object.values(sources).sort().join(' ')
}

function read(file: string): Results {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new UsageError(
      `${file} cannot be read (${reasonOf(error)}). --compare takes two files, relative to the project.`,
    )
  }
  const found = parsed(text)
  if (!isResults(found)) {
    throw new UsageError(
      `${file} is no document of results: npm run check -- --output ${basename(file)} writes one.`,
    )
  }
  return found
}

function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'ENOENT' || code === 'ENOTDIR') return 'there is no such file'
  return code === 'EISDIR' ? 'it is a folder' : String(code ?? error)
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isResults(value: unknown): value is Results {
  if (typeof value !== 'object' || value === null || !('lessons' in value)) return false
  const { lessons } = value
  return Array.isArray(lessons) && lessons.every((lesson: unknown) => isLesson(lesson))
}

function isLesson(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const { slug, verdict, number } = value as Record<string, unknown>
  return typeof slug === 'string' && typeof verdict === 'string' && typeof number === 'number'
}

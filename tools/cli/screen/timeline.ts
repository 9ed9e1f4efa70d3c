/** What led to the failure of a check: short, below what the check says. */

import { UNANSWERED, type Timeline, type TimelineEntry } from '../../harness/timeline.ts'
import { fit, pad } from './fit.ts'
import type { Page } from './lines.ts'

/** The last lines are about the failure, the first ones tell how the program started. */
const MOST_LINES = 10
const FIRST_LINES = 3

/** @param path where all of it is kept, as a person may open it; undefined when that did not work */
export function timelineLines(
  timeline: Timeline,
  { page, path, got }: { readonly page: Page; readonly path: string | undefined; readonly got: string },
): readonly string[] {
  const { columns, paint } = page
  const indent = ' '.repeat(columns < 44 ? 4 : 6)
  const rows = shortened(timeline.entries)
  const names = Math.min(14, Math.max(...rows.map(({ who }) => who.length)))
  const lines = rows.map((row) => {
    const at = row.at === undefined ? '' : (row.at / 1_000).toFixed(2)
    const what = row.kind === 'end' ? `the check fails: ${got}` : row.what
    const text = fit(
      `${at.padStart(7)} s  ${pad(fit(row.who, names), names)}  ${what}`,
      columns - indent.length,
    )
    const line = row.at === undefined ? `${' '.repeat(11)}${row.what}` : text
    return indent + colourOf(row.kind, paint)(line.replaceAll('\n', ' '))
  })
  const whole = path === undefined ? '' : `all of it: ${path}`
  return [`${indent}${paint.gray(`timeline  ${whole}`)}`.trimEnd(), ...lines]
}

interface Row {
  /** undefined: no moment of its own. */
  readonly at: number | undefined
  readonly who: string
  readonly what: string
  readonly kind: TimelineEntry['kind']
}

function shortened(entries: readonly TimelineEntry[]): readonly Row[] {
  const told = entries.filter(({ what }) => what !== 'online')
  const rows = grouped(told)
  if (rows.length <= MOST_LINES) return rows
  const last = rows.slice(-(MOST_LINES - FIRST_LINES - 1))
  const missing = rows.length - FIRST_LINES - last.length
  return [
    ...rows.slice(0, FIRST_LINES),
    { at: undefined, who: '', what: `… ${missing} lines`, kind: 'output' },
    ...last,
  ]
}

/** What several processes did one after the other is one row; so are requests, by how they ended. */
function grouped(entries: readonly TimelineEntry[]): readonly Row[] {
  const groups: TimelineEntry[][] = []
  for (const entry of entries) {
    const last = groups.at(-1)
    const before = last?.[0]
    if (last !== undefined && before !== undefined && alike(before, entry)) last.push(entry)
    else groups.push([entry])
  }
  return groups.map((group) => rowOf(group))
}

function alike(one: TimelineEntry, other: TimelineEntry): boolean {
  if (one.kind !== other.kind) return false
  if (one.kind === 'request') return true
  if (one.kind === 'output') return one.who === other.who
  return (
    one.kind === 'life' &&
    verbOf(one) === verbOf(other) &&
    [one, other].every(({ who }) => who.startsWith('worker '))
  )
}

/** Without what is of one process: its pid. */
function verbOf({ what }: TimelineEntry): string {
  return what.replace(/ \(pid \d+\)$/, '')
}

function rowOf(group: readonly TimelineEntry[]): Row {
  const [first] = group
  if (first === undefined || group.length === 1)
    return first ?? { at: undefined, who: '', what: '', kind: 'end' }
  const { at, kind } = first
  if (kind === 'output') {
    // Of an error with its stack the line that names it.
    const { what } = group.find(({ what }) => /Error\b/.test(what)) ?? first
    return { at, who: first.who, what: `${what} (${group.length} lines)`, kind }
  }
  if (kind !== 'request') {
    const ids = [...new Set(group.map(({ who }) => who.replace('worker ', '')))]
    const who = ids.length === 1 ? first.who : `workers ${ids.join(' ')}`
    const times = ids.length < group.length ? ` (${group.length} times)` : ''
    const verb = ids.length === 1 ? verbOf(first) : verbOf(first).replace(/^(listen|stop|start)s\b/, '$1')
    return { at, who, what: `${verb}${times}`, kind }
  }
  const byWhom = new Map<string, number>()
  for (const { who } of group) byWhom.set(who, (byWhom.get(who) ?? 0) + 1)
  const shares = [...byWhom].map(([who, count]) => {
    return who === UNANSWERED ? `${count} without an answer` : `${count} answered by ${who}`
  })
  return { at, who: 'the checker', what: `${group.length} requests: ${shares.join(', ')}`, kind }
}

function colourOf(kind: TimelineEntry['kind'], paint: Page['paint']): (text: string) => string {
  switch (kind) {
    case 'fault':
      return paint.yellow
    case 'end':
      return paint.red
    case 'output':
    case 'request':
      return paint.gray
    case 'life':
      return (text) => text
  }
}

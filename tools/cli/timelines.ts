/** The whole timeline of the last failure of a lesson, as a file for reading. */

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { GradingEvent } from '../harness/grading.ts'
import type { TimelineEntry } from '../harness/timeline.ts'
import { writeAtomically } from '../progress/store.ts'

export type TimelineEvent = Extract<GradingEvent, { readonly type: 'timeline' }>

/** @returns its path relative to the project, or undefined when it could not be written: nothing depends on it */
export function keepTimeline(root: string, event: TimelineEvent): string | undefined {
  const path = ['.workshop', 'timelines', `${event.slug}.md`]
  try {
    mkdirSync(join(root, '.workshop', 'timelines'), { recursive: true })
    writeAtomically(join(root, ...path), timelineText(event))
    return path.join('/')
  } catch {
    return undefined
  }
}

export function timelineText({ slug, result, timeline }: TimelineEvent): string {
  const { entries, command, leftOut } = timeline
  const rows = entries.map(({ at, who, what }) => {
    return `${(at / 1_000).toFixed(3).padStart(9)}  ${who.padEnd(12)}  ${what.replaceAll('\n', ' ')}`
  })
  const middle = entries.length / 2
  if (leftOut > 0) rows.splice(Math.floor(middle), 0, `           … ${leftOut} lines are left out here`)
  return `# ${slug}: ${result.name}

- expected: ${result.expected ?? ''}
- got: ${result.got ?? ''}
- repeat: \`${result.repeat ?? command}\`

Seconds since the program was started, from \`${command}\`.

## Each process

\`=\` listens, \`-\` lives without listening, \`x\` ends; \`!\` the checker brings a fault upon the program, \`?\` it sends
requests.

\`\`\`text
${lanes(entries).join('\n')}
\`\`\`

## Everything

\`\`\`text
${rows.join('\n')}
\`\`\`
`
}

const LANE_COLUMNS = 90

/** A line for each process, and one for the checker, over the time from the start to the failure. */
function lanes(entries: readonly TimelineEntry[]): readonly string[] {
  const end = Math.max(1, entries.at(-1)?.at ?? 1)
  const columnOf = (at: number): number => Math.min(LANE_COLUMNS - 1, Math.floor((at / end) * LANE_COLUMNS))
  const names = [...new Set(entries.filter(({ kind }) => kind === 'life').map(({ who }) => who))]
  const draw = (who: string, cells: readonly string[]): string =>
    `${who.padEnd(12)} ${cells.join('')}`.trimEnd()
  const lines = names.map((name) => {
    const cells = Array.from({ length: LANE_COLUMNS }, () => ' ')
    const own = entries.filter(({ who, kind }) => who === name && kind === 'life')
    for (const { at, what } of own) {
      const column = columnOf(at)
      const gone = /^(gone|ended):/.test(what)
      cells.fill(gone ? ' ' : what.startsWith('listens') ? '=' : stillListens(what, cells[column]), column)
      if (gone) cells[column] = 'x'
    }
    return draw(name, cells)
  })
  const checker = Array.from({ length: LANE_COLUMNS }, () => ' ')
  for (const { at, kind } of entries) {
    const column = columnOf(at)
    if (kind === 'fault') checker[column] = '!'
    if (kind === 'request' && checker[column] === ' ') checker[column] = '?'
  }
  return [
    ...lines,
    draw('the checker', checker),
    `${' '.repeat(13)}0 s${`${(end / 1_000).toFixed(2)} s`.padStart(LANE_COLUMNS - 3)}`,
  ]
}

function stillListens(what: string, before: string | undefined): string {
  const ends = /^(stops listening|disconnected|forked|started)/.test(what)
  return !ends && before === '=' ? '=' : '-'
}

/** A table, fitted to a width. */

import stringWidth from 'string-width'
import { wrapped } from './inline.ts'
import type { Paint } from './paint.ts'

export type Alignment = 'left' | 'center' | 'right'

export interface Table {
  /** The first row is the head. Cells hold painted text. */
  readonly rows: readonly (readonly string[])[]
  readonly alignments: readonly Alignment[]
}

/** The lines of a table; cells wrap where it would be too wide, and then a rule parts the rows. */
export function tableLines({ rows, alignments }: Table, width: number, paint: Paint): readonly string[] {
  const widths = fitted(naturalWidths(rows), width)
  const [head = [], ...body] = rows.map((row) =>
    row.map((cell, column) => wrapped(cell, widths[column] ?? 1)),
  )
  const rule = paint.quiet(widths.map((columns) => '─'.repeat(columns)).join(gap))
  const isAiry = body.some((row) => row.some((cell) => cell.length > 1))
  const lines = body.flatMap((row, index) => [
    ...(isAiry && index > 0 ? [rule] : []),
    ...rowLines(row, widths, alignments, (text) => text),
  ])
  return [...rowLines(head, widths, alignments, paint.strong), rule, ...lines]
}

function rowLines(
  cells: readonly (readonly string[])[],
  widths: readonly number[],
  alignments: readonly Alignment[],
  paint: (text: string) => string,
): readonly string[] {
  const height = Math.max(1, ...cells.map((cell) => cell.length))
  return Array.from({ length: height }, (_, line) =>
    widths
      .map((width, column) =>
        aligned(paint(cells[column]?.[line] ?? ''), width, alignments[column] ?? 'left'),
      )
      .join(gap)
      .trimEnd(),
  )
}

function aligned(text: string, width: number, alignment: Alignment): string {
  const room = Math.max(0, width - stringWidth(text))
  const before = { left: 0, center: Math.floor(room / 2), right: room }[alignment]
  return ' '.repeat(before) + text + ' '.repeat(room - before)
}

function naturalWidths(rows: readonly (readonly string[])[]): readonly number[] {
  const columns = Math.max(0, ...rows.map((row) => row.length))
  return Array.from({ length: columns }, (_, column) =>
    Math.max(1, ...rows.map((row) => stringWidth(row[column] ?? ''))),
  )
}

/** Takes from the widest column until all fit: narrow ones stay as they are. */
function fitted(natural: readonly number[], width: number): readonly number[] {
  const widths = [...natural]
  const room = Math.max(natural.length * narrowest, width - gap.length * (natural.length - 1))
  while (widths.reduce((sum, columns) => sum + columns, 0) > room) {
    const widest = Math.max(...widths)
    widths[widths.indexOf(widest)] = widest - 1
  }
  return widths
}

const gap = '  '

const narrowest = 4

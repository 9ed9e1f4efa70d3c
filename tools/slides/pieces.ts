/** The pieces that slides are filled with: each with its HTML and the height that it takes. */

import { codeHtml } from '../reader/code.ts'
import { type Block, treeOf } from '../reader/markdown.ts'
import { type Links, essenceOf, inlineHtml, textOf } from './inline.ts'

/** Something that stays in one piece. */
export interface Piece {
  readonly html: string
  /** In pixels of a slide of 1280 × 720, its margin included. */
  readonly height: number
  /** What stands around this piece and its neighbours of the same kind: one list, one table. */
  readonly frame?: Frame
  /** The whole text, where the piece is only the essence of it. */
  readonly notes?: string
  /** Never the last on a slide. */
  readonly leadsOn?: boolean
  /** Hidden until the speaker reveals it. */
  readonly isAnswer?: boolean
}

export interface Frame {
  readonly open: string
  readonly close: string
  /** What it adds to the height of its pieces, once a slide. */
  readonly height: number
}

export interface Setting {
  readonly links: Links
  /** Only the first sentences and the bold ones; all of it goes into the notes. */
  readonly essence: boolean
}

/** The room on a slide below its title. */
export const room = { width: 1160, height: 512 } as const

export function piecesOf(blocks: readonly Block[], setting: Setting): readonly Piece[] {
  return blocks.flatMap((block, index) => {
    const pieces = piecesOfBlock(block, setting)
    if (!leadsTo(block, blocks[index + 1])) return pieces
    return pieces.map((piece, place) => (place < pieces.length - 1 ? piece : { ...piece, leadsOn: true }))
  })
}

/** Whether a block should not be the last on its slide: a sentence before a table, a program before what it prints. */
function leadsTo(block: Block, next: Block | undefined): boolean {
  if (next === undefined) return false
  if (next.token.type === 'fence' && next.token.content.startsWith(PRINTS)) return true
  if (block.token.type !== 'paragraph_open') return false
  if (next.token.type === 'fence') return true
  return next.token.type === 'table_open' || textOf(block.blocks).trimEnd().endsWith(':')
}

/** A paragraph's inline content; `whole` is told in the notes where the essence is less. */
export function paragraph(content: readonly Block[], setting: Setting): Piece {
  const { blocks, isCut } = setting.essence ? essenceOf(content) : { blocks: content, isCut: false }
  return {
    html: `<p>${inlineHtml(blocks, setting.links).trim()}</p>`,
    height: linesOf(textOf(blocks), room.width, text.size) * text.line + 16,
    ...(isCut && { notes: `<p>${inlineHtml(content, setting.links)}</p>` }),
  }
}

/** The same blocks as a whole, for the notes. */
export function notesOf(blocks: readonly Block[], links: Links): string {
  return blocks.map((block) => noteOf(block, links)).join('\n')
}

/** A fence's text as one or more pieces: what is too long for a slide is parted where a line is empty. */
export function codePieces(whole: string, info: string): readonly Piece[] {
  const isOutput = whole.startsWith(PRINTS)
  const code = isOutput ? whole.slice(PRINTS.length) : whole
  const lines = codeHtml(code, info).split('\n')
  const plain = code.replace(/\n$/, '').split('\n')
  const columns = Math.max(...plain.map((line) => line.length), 1)
  const isDrawing = /[│─┌└►▼]/.test(code)
  const leading = isDrawing ? 1.22 : 1.36
  const widest = Math.min(20, (room.width - 48) / (columns * MONO))
  const size = Math.max(
    isDrawing ? 12 : Math.min(16, widest),
    Math.min(widest, (room.height - 150) / (plain.length * leading)),
  )
  const most = isDrawing ? plain.length : Math.floor((room.height - 60) / (size * leading))
  return cut(plain, most).map(([from, to]) => ({
    html: `<pre class="${isOutput ? 'output' : isDrawing ? 'drawing' : 'code'}" style="font-size:${px(size)}"><code>${lines.slice(from, to).join('\n')}</code></pre>`,
    height: (to - from) * size * leading + (isOutput ? 72 : 50),
  }))
}

function piecesOfBlock(block: Block, setting: Setting): readonly Piece[] {
  const { token, blocks } = block
  switch (token.type) {
    case 'paragraph_open':
      return [paragraph(inlineOf(block), setting)]
    case 'bullet_list_open':
    case 'ordered_list_open':
      return itemPieces(block, setting)
    case 'table_open':
      return rowPieces(block, setting)
    case 'fence':
    case 'code_block':
      return codePieces(token.content, token.info)
    case 'blockquote_open':
      return piecesOf(blocks, setting)
    case 'hr':
      return []
    default:
      throw new Error(`A slide cannot show ${token.type} of line ${token.map?.[0] ?? '?'}.`)
  }
}

function itemPieces({ token, blocks }: Block, setting: Setting): readonly Piece[] {
  const tag = token.type === 'ordered_list_open' ? 'ol' : 'ul'
  const frame = { open: `<${tag}>`, close: `</${tag}>`, height: 14 }
  return blocks.map((item, index) => {
    const pieces = piecesOf(item.blocks, setting)
    const value = tag === 'ol' ? ` value="${index + 1}"` : ''
    const notes = pieces.map((piece) => piece.notes ?? '').join('')
    return {
      html: `<li${value}>${pieces.map((piece) => piece.html).join('')}</li>`,
      height: pieces.reduce((sum, piece) => sum + piece.height * 1.03, 0) - 6,
      frame,
      ...(notes !== '' && { notes }),
    }
  })
}

/** Rows of a table whose columns have the widths that their texts ask for. */
function rowPieces({ blocks }: Block, setting: Setting): readonly Piece[] {
  const rows = blocks.flatMap((part) => part.blocks).map((row) => row.blocks.map(inlineOf))
  const widths = columnWidths(rows.map((row) => row.map(textOf)))
  const [head = [], ...body] = rows
  const html = (row: readonly (readonly Block[])[], tag: string): string =>
    `<tr>${row.map((cell) => `<${tag}>${inlineHtml(cell, setting.links)}</${tag}>`).join('')}</tr>`
  const heightOf = (row: readonly (readonly Block[])[]): number =>
    Math.max(
      1,
      ...row.map((cell, column) => linesOf(textOf(cell), (widths[column] ?? 100) - 26, table.size)),
    ) *
      table.line +
    16
  const frame = {
    open: `<table><colgroup>${widths.map((width) => `<col style="width:${px(width)}">`).join('')}</colgroup><thead>${html(head, 'th')}</thead><tbody>`,
    close: '</tbody></table>',
    height: heightOf(head) + 18,
  }
  return body.map((row) => ({ html: html(row, 'td'), height: heightOf(row), frame }))
}

/**
 * The widths with which the table is lowest: from what the texts ask for, width goes from column to column while that
 * takes lines away. No column gets narrower than its longest word, if that can be.
 */
function columnWidths(rows: readonly (readonly string[])[]): readonly number[] {
  const count = Math.max(0, ...rows.map((row) => row.length))
  const columns = Array.from({ length: count }, (_, column) => rows.map((row) => row[column] ?? ''))
  const unit = table.size * SANS * 1.15
  const widthOf = (texts: readonly string[]): number =>
    Math.max(...texts.map((one) => one.length)) * unit + 30
  const natural = columns.map(widthOf)
  if (sum(natural) <= room.width) return natural
  const least = columns.map((cells) => Math.min(340, widthOf(cells.flatMap((cell) => cell.split(/\s+/)))))
  let widths = natural.map((width) => (width * room.width) / sum(natural))
  let best = cost(rows, widths, least)
  for (let improved = true; improved;) {
    improved = false
    for (let from = 0; from < count; from++) {
      for (let to = 0; to < count; to++) {
        const moved = widths.map((width, at) => width + (at === to ? STEP : 0) - (at === from ? STEP : 0))
        const lower = from === to ? Infinity : cost(rows, moved, least)
        if (lower >= best) continue
        widths = moved
        best = lower
        improved = true
      }
    }
  }
  return widths
}

/** Lines in all, and a punishment for words that would have to break. */
function cost(
  rows: readonly (readonly string[])[],
  widths: readonly number[],
  least: readonly number[],
): number {
  const lines = rows.map((row) =>
    Math.max(...row.map((cell, at) => linesOf(cell, (widths[at] ?? 0) - 26, table.size))),
  )
  const tooNarrow = widths.map((width, at) => Math.max(0, (least[at] ?? 0) - width))
  // Finer than a line, so that a way down is found where no single step saves one.
  const crowded = rows.flatMap((row) => row.map((cell, at) => cell.length / Math.max(1, widths[at] ?? 1)))
  return sum(lines) + sum(tooNarrow) + sum(crowded.map((share) => share * share)) / 10
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

const STEP = 12

function noteOf(block: Block, links: Links): string {
  const { token, blocks } = block
  const inner = (): string => notesOf(blocks, links)
  switch (token.type) {
    case 'inline':
      return inlineHtml(treeOf(token.children ?? []), links)
    case 'fence':
    case 'code_block':
      return `<pre><code>${codeHtml(token.content, token.info)}</code></pre>`
    case 'hr':
      return '<hr>'
    case 'paragraph_open':
      return token.hidden ? inner() : `<p>${inner()}</p>`
    default:
      return `<${token.tag}>${inner()}</${token.tag}>`
  }
}

export function inlineOf(block: Block): readonly Block[] {
  return block.blocks
    .flatMap(({ token }) => (token.type === 'inline' ? treeOf(token.children ?? []) : []))
    .filter(({ token }) => token.type !== 'text' || token.content !== '')
}

/** From and to, in lines: as few parts as do, of about the same length, parted at empty lines where there are any near. */
function cut(lines: readonly string[], most: number): readonly (readonly [number, number])[] {
  const parts = Math.ceil(lines.length / most)
  const ranges: [number, number][] = []
  let from = 0
  for (let part = 1; part < parts; part++) {
    const wanted = from + Math.ceil((lines.length - from) / (parts - part + 1))
    const candidates = Array.from({ length: most }, (_, index) => from + index + 1).filter(
      (at) => lines[at] === '' && lines.length - at <= most * (parts - part),
    )
    const at = candidates.toSorted((a, b) => Math.abs(a - wanted) - Math.abs(b - wanted))[0] ?? wanted
    ranges.push([from, at])
    from = lines[at] === '' ? at + 1 : at
  }
  return [...ranges, [from, lines.length]]
}

/** How many lines a text takes at this width, by words. */
function linesOf(value: string, width: number, size: number): number {
  const columns = Math.max(1, Math.floor(width / (size * SANS)))
  let lines = 1
  let used = 0
  for (const word of value.split(/\s+/)) {
    if (used > 0 && used + 1 + word.length > columns) {
      lines += 1
      used = 0
    }
    used += (used > 0 ? 1 : 0) + word.length
    lines += Math.floor(Math.max(0, used - 1) / columns)
    used = used > columns ? used % columns : used
  }
  return lines
}

/** How the text of a lesson marks what a program prints. */
export const PRINTS = 'prints\n'

function px(size: number): string {
  return `${Math.floor(size * 10) / 10}px`
}

/** As in deck.css, in pixels. */
const text = { size: 26, line: 36 }
const table = { size: 20, line: 28 }

/** A character's mean width in ems, from the wider of the fonts in use. Code in a sentence is wider. */
const SANS = 0.57
const MONO = 0.605

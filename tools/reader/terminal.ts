/** A lesson's Markdown in the terminal. */

import { stripVTControlCharacters } from 'node:util'
import stringWidth from 'string-width'
import { codeLines } from './code.ts'
import { inlineText, type Setting, wrapped } from './inline.ts'
import { type Block, tokensOf, treeOf } from './markdown.ts'
import { paintFor } from './paint.ts'
import { type Alignment, tableLines } from './table.ts'

export interface Options {
  /** The terminal's width; text is set at 100 columns at most. */
  readonly columns: number
  /** Whether to use escape sequences. Without, the result is plain text. */
  readonly colour: boolean
  /** The text's folder, `lessons/03-basic-cluster`: with it, relative links are shown from the project's root. */
  readonly folder?: string
}

/** Sets a text for reading, ending in a newline. Code and diagrams keep their lines; all else is wrapped. */
export function renderMarkdown(markdown: string, { columns, colour, folder = '' }: Options): string {
  const blocks = treeOf(tokensOf(stripVTControlCharacters(markdown)))
  const width = Math.max(narrowest, Math.min(columns, widest))
  return `${linesOf(blocks, width, { paint: paintFor(colour), folder }, 'loose').join('\n')}\n`
}

type Spacing = 'loose' | 'tight'

function linesOf(
  blocks: readonly Block[],
  width: number,
  setting: Setting,
  spacing: Spacing,
): readonly string[] {
  return blocks.flatMap((block, index) => {
    const before = blocks[index - 1]
    const lines = blockLines(block, width, setting)
    const isApart = before && (spacing === 'loose' || isCode(before) || isCode(block))
    return isApart ? ['', ...lines] : lines
  })
}

function isCode({ token }: Block): boolean {
  return token.type === 'fence' || token.type === 'code_block'
}

function blockLines(block: Block, width: number, setting: Setting): readonly string[] {
  const { token, blocks } = block
  const { paint } = setting
  switch (token.type) {
    case 'heading_open':
      return headingLines(block, width, setting)
    case 'paragraph_open':
      return wrapped(inlineText(blocks[0]?.token, setting), width)
    case 'bullet_list_open':
    case 'ordered_list_open':
      return listLines(block, width, setting)
    case 'blockquote_open':
      return linesOf(blocks, width - 2, setting, 'loose').map((line) =>
        `${paint.quiet('│')} ${line}`.trimEnd(),
      )
    case 'fence':
    case 'code_block':
      return programLines(token.content, token.info, setting)
    case 'table_open':
      return tableLines(tableOf(block, setting), width, paint)
    case 'hr':
      return [paint.quiet('─'.repeat(Math.min(width, 20)))]
    default:
      return token.content === '' ? linesOf(blocks, width, setting, 'loose') : wrapped(token.content, width)
  }
}

function headingLines({ token, blocks }: Block, width: number, setting: Setting): readonly string[] {
  const { paint } = setting
  const lines = wrapped(inlineText(blocks[0]?.token, setting), width)
  const rule = (mark: string): string =>
    paint.quiet(mark.repeat(Math.max(...lines.map((line) => stringWidth(line)))))
  if (token.tag === 'h1') return [...lines.map(paint.title), rule('═')]
  if (token.tag !== 'h2') return lines.map(paint.strong)
  return paint.isColoured ? lines.map(paint.heading) : [...lines, rule('─')]
}

function programLines(code: string, info: string, setting: Setting): readonly string[] {
  const lines = codeLines(code, info, setting.paint)
  // A diagram: a bar beside it would look like a part of it.
  if (info.trim().split(' ', 1)[0] === 'text') return lines
  return lines.map((line) => `${setting.paint.quiet('▏')} ${line}`.trimEnd())
}

function listLines({ token, blocks }: Block, width: number, setting: Setting): readonly string[] {
  const first = Number(token.attrGet('start') ?? 1)
  const isOrdered = token.type === 'ordered_list_open'
  const isTight = blocks.every((item) =>
    item.blocks.every((block) => block.token.type !== 'paragraph_open' || block.token.hidden),
  )
  const size = isOrdered ? `${first + blocks.length - 1}. `.length : 2
  const items = blocks.map((item, index) => {
    const marker = isOrdered ? `${first + index}.`.padStart(size - 1) : '•'
    const lines = linesOf(item.blocks, width - size, setting, isTight ? 'tight' : 'loose')
    const [head = '', ...rest] = lines
    return [
      `${setting.paint.quiet(marker)} ${head}`,
      ...rest.map((line) => (line === '' ? '' : ' '.repeat(size) + line)),
    ]
  })
  return items.flatMap((lines, index) => (index > 0 && !isTight ? ['', ...lines] : lines))
}

function tableOf(
  { blocks }: Block,
  setting: Setting,
): { readonly rows: string[][]; readonly alignments: Alignment[] } {
  const rows = blocks.flatMap((part) => part.blocks)
  const alignments = (rows[0]?.blocks ?? []).map(({ token }) =>
    alignmentOf(String(token.attrGet('style') ?? '')),
  )
  return {
    rows: rows.map((row) => row.blocks.map((cell) => inlineText(cell.blocks[0]?.token, setting))),
    alignments,
  }
}

function alignmentOf(style: string): Alignment {
  if (style.endsWith('right')) return 'right'
  return style.endsWith('center') ? 'center' : 'left'
}

const widest = 100

const narrowest = 20

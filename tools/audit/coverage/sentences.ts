/** The sentences of a contract, and of what its lesson says about the checks. */

import type { Token } from '../../reader/markdown.ts'
import { tokensOf } from '../../reader/markdown.ts'
import { sectionOf } from '../../reader/anchors.ts'

/**
 * The sentences of `## The contract`, as Markdown, in order. A row of a table counts as its cells with a colon
 * between two of them. What only leads to a list or a table (“Every worker answers”) is no sentence.
 */
export function contractOf(readme: string): readonly string[] {
  return piecesOf(sectionOf(readme, 'the-contract') ?? '').flatMap(({ text, leads }) => {
    const sentences = text.split(BETWEEN_SENTENCES).filter((sentence) => !IS_LABEL.test(sentence))
    return leads ? sentences.filter((sentence) => IS_WHOLE.test(sentence)) : sentences
  })
}

/** The bullets of `## How it is checked`, as Markdown, in order. */
export function descriptionsOf(readme: string): readonly string[] {
  return piecesOf(sectionOf(readme, 'how-it-is-checked') ?? '').flatMap(({ text, leads }) =>
    leads ? [] : [text],
  )
}

/** The checks that a bullet describes: the bold names that it starts with, one or several joined by “and”. */
export function describedIn(bullet: string): readonly string[] {
  const names = /^\*\*.+?\*\*(?: and \*\*.+?\*\*)*/.exec(bullet)?.[0] ?? ''
  return [...names.matchAll(/\*\*(.+?)\*\*/g)].map((match) => match[1] ?? '')
}

/** As it is compared: a line's end is a space. */
export function normalised(markdown: string): string {
  return markdown.replaceAll(/\s+/g, ' ').trim()
}

const BETWEEN_SENTENCES = /(?<=[.!?…][)*]*)\s+(?=[(*`“A-Z0-9])/
const IS_LABEL = /^\*\*[^*]+\.\*\*$/
const IS_WHOLE = /[.!?)]$/

interface Piece {
  readonly text: string
  /** Whether it may be the beginning of what the next pieces say. */
  readonly leads: boolean
}

/** Paragraphs, items of lists and rows of tables. */
function piecesOf(section: string): readonly Piece[] {
  const pieces: Piece[] = []
  let cells: string[] = []
  let lists = 0
  let isHead = false
  let inHeading = false
  for (const token of tokensOf(section)) {
    lists += depth(token, 'list')
    if (token.type === 'thead_open') isHead = true
    if (token.type === 'thead_close') isHead = false
    if (token.type === 'heading_open') inHeading = true
    if (token.type === 'heading_close') inHeading = false
    if (token.type === 'tr_open') cells = []
    if (token.type === 'tr_close' && !isHead) pieces.push({ text: cells.join(': '), leads: false })
    if (token.type === 'td_open' || token.type === 'th_open') cells.push('')
    if (token.type !== 'inline' || inHeading) continue
    const text = normalised(token.content)
    if (cells.length > 0 && cells.at(-1) === '') cells[cells.length - 1] = text
    else pieces.push({ text, leads: lists === 0 })
  }
  return pieces
}

function depth({ type, nesting }: Token, kind: string): number {
  return type.includes(kind) && !type.includes('item') ? nesting : 0
}

/** A line of running text on a slide: as HTML, and what of it is essential. */

import type { Block, Token } from '../reader/markdown.ts'

/** Where a link leads in the slides; undefined where it leads out of them, and its text stands alone. */
export type Links = (href: string) => string | undefined

export function inlineHtml(blocks: readonly Block[], links: Links): string {
  return blocks.map((block) => pieceOf(block, links)).join('')
}

export function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => entities[character] ?? character)
}

/** The same token, but for these parts of it. */
export function changed(token: Token, parts: Partial<Pick<Token, 'content' | 'children'>>): Token {
  return Object.assign(Object.create(token) as Token, parts)
}

/** What a reader reads of it, without markup. */
export function textOf(blocks: readonly Block[]): string {
  return blocks
    .map(({ token, blocks: inner }) => {
      if (token.type === 'softbreak' || token.type === 'hardbreak') return ' '
      return inner.length > 0 ? textOf(inner) : token.content
    })
    .join('')
}

export interface Essence {
  readonly blocks: readonly Block[]
  /** Whether something was left out, which then belongs into the speaker's notes. */
  readonly isCut: boolean
}

/**
 * The first sentences of a paragraph, and those with something in bold. A short paragraph stays whole, and so does
 * the last sentence where it leads to what follows (`:`).
 */
export function essenceOf(blocks: readonly Block[]): Essence {
  if (textOf(blocks).length <= SHORT) return { blocks, isCut: false }
  const sentences = sentencesOf(blocks)
  let length = 0
  const kept = sentences.filter((sentence, index) => {
    const isFirst = length < ENOUGH
    const isStrong = sentence.some(({ token }) => token.type === 'strong_open')
    const leadsOn = index === sentences.length - 1 && textOf(sentence).endsWith(':')
    if (!isFirst && !isStrong && !leadsOn) return false
    length += textOf(sentence).length
    return true
  })
  return { blocks: kept.flat(), isCut: kept.length < sentences.length }
}

/** Each sentence keeps the space after it. What stands in code, in emphasis or between brackets is not parted. */
export function sentencesOf(blocks: readonly Block[]): readonly (readonly Block[])[] {
  const sentences: Block[][] = [[]]
  let depth = 0
  for (const block of blocks) {
    if (block.token.type !== 'text') {
      sentences.at(-1)?.push(block)
      if (block.token.type === 'softbreak' && /[.!?]["”]?$/.test(textOf(sentences.at(-1) ?? []).trimEnd())) {
        if (depth === 0) sentences.push([])
      }
      continue
    }
    if (/^\s/.test(block.token.content) && depth === 0 && endsInBold(sentences.at(-1))) sentences.push([])
    for (const part of parts(block.token.content)) {
      sentences.at(-1)?.push(withText(block, part))
      depth += (part.match(/\(/g)?.length ?? 0) - (part.match(/\)/g)?.length ?? 0)
      if (depth <= 0 && ends.test(part)) sentences.push([])
    }
  }
  return sentences.filter((sentence) => sentence.length > 0)
}

function endsInBold(sentence: readonly Block[] | undefined): boolean {
  const last = sentence?.at(-1)
  return last?.token.type === 'strong_open' && /[.!?]["”]?$/.test(textOf(last.blocks))
}

/** Text in pieces, each of which ends where a sentence may end. */
function parts(text: string): readonly string[] {
  return text.split(/(?<=[.!?]["”)]?\s+)(?=[^\sa-z])/)
}

const ends = /[.!?]["”)]?\s+$/

function withText({ token }: Block, content: string): Block {
  return { token: changed(token, { content }), blocks: [] }
}

function pieceOf({ token, blocks }: Block, links: Links): string {
  switch (token.type) {
    case 'softbreak':
      return ' '
    case 'hardbreak':
      return '<br>'
    case 'code_inline':
      return `<code>${escaped(token.content)}</code>`
    case 'strong_open':
      return `<strong>${inlineHtml(blocks, links)}</strong>`
    case 'em_open':
      return `<em>${inlineHtml(blocks, links)}</em>`
    case 'link_open': {
      const address = links(String(token.attrGet('href') ?? ''))
      const text = inlineHtml(blocks, links)
      return address === undefined ? text : `<a href="${escaped(address)}">${text}</a>`
    }
    default:
      return escaped(token.content) + inlineHtml(blocks, links)
  }
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }

/** In characters: a paragraph this short is left whole, and sentences are taken until there are so many. */
const SHORT = 190
const ENOUGH = 70

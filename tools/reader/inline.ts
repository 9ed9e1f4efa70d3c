/** A line of running text: emphasis, code, links. */

import { posix } from 'node:path'
import wrapAnsi from 'wrap-ansi'
import { type Block, plainText, type Token, treeOf } from './markdown.ts'
import type { Paint } from './paint.ts'

/** Where relative links start: the text's folder in the project, or '' to show them as they were typed. */
export interface Setting {
  readonly paint: Paint
  readonly folder: string
}

/** An inline token as one line (or more, where the text itself breaks), not wrapped yet. */
export function inlineText(inline: Token | undefined, setting: Setting): string {
  return textOf(treeOf(inline?.children ?? []), setting)
}

/** Breaks lines at this width. Short code stays in one piece: half a command reads badly. */
export function wrapped(text: string, width: number): readonly string[] {
  return wrapAnsi(text, width, { hard: true }).replaceAll(glue, ' ').split('\n')
}

function textOf(blocks: readonly Block[], setting: Setting): string {
  return blocks.map((block) => pieceOf(block, setting)).join('')
}

function pieceOf({ token, blocks }: Block, setting: Setting): string {
  const { paint } = setting
  switch (token.type) {
    case 'softbreak':
      return ' '
    case 'hardbreak':
      return '\n'
    case 'code_inline':
      return paint.code(token.content.length <= 40 ? token.content.replaceAll(' ', glue) : token.content)
    case 'strong_open':
      return paint.strong(textOf(blocks, setting))
    case 'em_open':
      return paint.emphasis(textOf(blocks, setting))
    case 'link_open':
      return linkOf(token, blocks, setting)
    case 'image':
      return plainText(token)
    default:
      return token.content + textOf(blocks, setting)
  }
}

/** The address follows the text, unless it says the same or leads to a place in the same text. */
function linkOf(token: Token, blocks: readonly Block[], setting: Setting): string {
  const text = textOf(blocks, setting)
  const href = String(token.attrGet('href') ?? '')
  const said = blocks.map((block) => block.token.content).join('')
  const address = addressOf(href, setting.folder)
  if (href.startsWith('#') || said === href || said === address) return text
  return `${text} ${setting.paint.quiet(`(${address})`)}`
}

function addressOf(href: string, folder: string): string {
  const isAbsolute = URL.canParse(href) || href.startsWith('/')
  return isAbsolute || folder === '' ? href : posix.join(folder, href)
}

/** A space where no line may break, until the text is wrapped. */
const glue = '\u00a0'

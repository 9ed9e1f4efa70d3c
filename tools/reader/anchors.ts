/** The places in a text that a message can point to. */

import GithubSlugger from 'github-slugger'
import { definitionsOf, headingsOf, tokensOf } from './markdown.ts'

/** GitHub's anchor of every heading, in order. */
export function anchorsOf(markdown: string): readonly string[] {
  const slugger = new GithubSlugger()
  return headingsOf(tokensOf(markdown)).map(({ text }) => slugger.slug(text))
}

/**
 * A heading and all that stands under it, up to the next one of its level or above, as Markdown that can
 * stand alone. `undefined` when no heading has this anchor.
 */
export function sectionOf(markdown: string, anchor: string): string | undefined {
  const headings = headingsOf(tokensOf(markdown))
  const index = anchorsOf(markdown).indexOf(anchor)
  const start = headings[index]
  if (!start) return undefined
  const next = headings.slice(index + 1).find(({ isTop, level }) => isTop && level <= start.level)
  const text = markdown.split('\n').slice(start.line, next?.line).join('\n').trimEnd()
  const links = definitionsOf(markdown).filter((definition) => !text.includes(definition))
  return [`${text}\n`, ...(links.length > 0 ? [`${links.join('\n')}\n`] : [])].join('\n')
}

/** What of a lesson's text a learner sees before the first check. */

import { anchorsOf, sectionOf } from './anchors.ts'
import { headingsOf, tokensOf } from './markdown.ts'

/** The title and the section "Your task", as Markdown; the title alone where a text has no such section. */
export function taskOf(markdown: string): string {
  const title = headingsOf(tokensOf(markdown)).findIndex(({ level }) => level === 1)
  const heading = markdown.split('\n')[headingsOf(tokensOf(markdown))[title]?.line ?? -1]
  const task = anchorsOf(markdown).includes('your-task') ? sectionOf(markdown, 'your-task') : undefined
  return [heading === undefined ? [] : `${heading.trim()}\n`, task ?? []].flat().join('\n')
}

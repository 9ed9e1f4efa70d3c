/** A text in its sections, each with what stands in it before the next heading. */

import { anchorsOf } from '../reader/anchors.ts'
import { type Block, plainText, tokensOf, treeOf } from '../reader/markdown.ts'

export interface Section {
  readonly level: number
  readonly title: string
  /** GitHub's anchor of its heading. */
  readonly anchor: string
  /** The title of the section that it belongs to, if it is not one of its own. */
  readonly within: string | undefined
  readonly blocks: readonly Block[]
}

export function sectionsOf(markdown: string): readonly Section[] {
  const anchors = anchorsOf(markdown)
  const sections: (Section & { readonly blocks: Block[] })[] = []
  for (const block of treeOf(tokensOf(markdown))) {
    if (block.token.type !== 'heading_open') {
      sections.at(-1)?.blocks.push(block)
      continue
    }
    const inline = block.blocks[0]?.token
    const level = Number(block.token.tag.slice(1))
    const parent = sections.findLast((section) => section.level < level && section.level > 1)
    sections.push({
      level,
      title: inline === undefined ? '' : plainText(inline),
      anchor: anchors[sections.length] ?? '',
      within: parent?.title,
      blocks: [],
    })
  }
  return sections
}

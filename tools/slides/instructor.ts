/** The instructor's notes on one lesson, from INSTRUCTOR.md. */

import type { Block } from '../reader/markdown.ts'
import { type Section, sectionsOf } from './sections.ts'

/** A section `## Lesson N …`: its first paragraph is the point, the rest stands under headings of the third level. */
export interface InstructorNotes {
  readonly point: readonly Block[]
  readonly say: readonly Block[]
  readonly show: readonly Block[]
  readonly ask: readonly Block[]
  readonly mistakes: readonly Block[]
}

/** @returns the notes by the lesson's number */
export function instructorNotesOf(markdown: string): ReadonlyMap<number, InstructorNotes> {
  const sections = sectionsOf(markdown)
  return new Map(
    sections.flatMap((section, index) => {
      const number = /^Lesson (\d+)\b/.exec(section.title)?.[1]
      if (section.level !== 2 || number === undefined) return []
      const next = sections.findIndex(({ level }, later) => later > index && level <= 2)
      const own = sections.slice(index + 1, next < 0 ? undefined : next)
      const under = (title: string): readonly Block[] => blocksUnder(own, title)
      const notes = {
        point: section.blocks.slice(0, 1),
        say: under('Say'),
        show: under('Show'),
        ask: under('Ask'),
        mistakes: under('Usual mistakes'),
      }
      return [[Number(number), notes] as const]
    }),
  )
}

function blocksUnder(sections: readonly Section[], title: string): readonly Block[] {
  return sections.find((section) => section.title === title)?.blocks ?? []
}

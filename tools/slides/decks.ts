/** The decks of all lessons of a project. */

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { lessons } from '../catalog.ts'
import { type Deck, deckOf } from './deck.ts'
import { type InstructorNotes, instructorNotesOf } from './instructor.ts'

/** From each lesson's README, and from INSTRUCTOR.md where there is one. */
export function decksOf(root: string): readonly Deck[] {
  const file = join(root, 'INSTRUCTOR.md')
  const notes: ReadonlyMap<number, InstructorNotes> = existsSync(file)
    ? instructorNotesOf(readFileSync(file, 'utf8'))
    : new Map()
  return lessons(root).map(({ number, slug, title, readme }) =>
    deckOf({ number, slug, title, markdown: readFileSync(readme, 'utf8'), notes: notes.get(number) }),
  )
}

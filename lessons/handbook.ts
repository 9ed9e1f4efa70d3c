/**
 * The handbook: the page that every lesson's program serves. All lessons' texts as one HTML page,
 * rendered anew at every call, as the honest kind of work that one core cannot overlap: some
 * milliseconds of synchronous JavaScript. The texts are read, parsed and coloured once; setting the page and
 * making its index is done for each visitor, and is what takes the time.
 *
 * It has no top-level await, so that a CommonJS program can `require('#handbook')` as well.
 */

import { readdirSync, readFileSync } from 'node:fs'
import type { Lesson } from './handbook/chapter.ts'
import { pageOf } from './handbook/page.ts'

export { countWords } from './handbook/words.ts'

/**
 * The lessons' READMEs, read once. Their `server.ts` is left out on purpose: learners edit it, and a page
 * that changed at every save would differ between a program and whoever compares its answers.
 */
const lessons: readonly Lesson[] = lessonsIn(new URL('./', import.meta.url))

/**
 * The whole handbook as one complete HTML page that names its visitor.
 *
 * Synchronous. The same visitor gets the same bytes in every process and on every machine; nothing of a
 * page is kept for the next one. Any string will do for a name; it is escaped.
 */
export function renderHandbook(visitor: string): string {
  return pageOf(lessons, visitor)
}

function lessonsIn(folder: URL): readonly Lesson[] {
  return readdirSync(folder)
    .filter((name) => /^\d\d-/.test(name))
    .sort()
    .map((slug) => ({
      slug,
      number: Number(slug.slice(0, 2)),
      markdown: readmeIn(new URL(`${slug}/`, folder)),
    }))
}

/** A lesson that has no text yet has an empty chapter. */
function readmeIn(folder: URL): string {
  try {
    return readFileSync(new URL('README.md', folder), 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return ''
    throw error
  }
}

/** One lesson's text as a chapter of the book. */

import { parse, plainText, renderInline, type Token } from './markdown.ts'
import { escapeHtml } from './words.ts'

/** A lesson as it lies in its folder. */
export interface Lesson {
  readonly slug: string
  readonly number: number
  readonly markdown: string
}

export interface Chapter {
  readonly slug: string
  readonly number: number
  /** HTML of one line. */
  readonly title: string
  /** What stands between the title and the next chapter. */
  readonly tokens: Token[]
  /** Roughly, for an estimate of the time it takes to read. */
  readonly words: number
  readonly sections: readonly Section[]
}

/** What stands under one heading of the second level, or (the first one) before any. */
export interface Section {
  /** `3.2`: the second section of lesson 3; `3` before the first. */
  readonly number: string
  readonly id: string
  /** HTML of one line. */
  readonly title: string
  readonly tokens: readonly Token[]
}

/** `lessons` are the numbers of all that the book has. */
export function chapterOf(lesson: Lesson, lessons: ReadonlySet<number>): Chapter {
  const tokens = parse(lesson.markdown, { slug: lesson.slug, number: lesson.number, lessons })
  const title = takeTitle(tokens)
  const sections = sectionsOf(tokens, lesson.number)
  for (const token of tokens) {
    // The page's own title is its only <h1>, and a chapter's the <h2>.
    if (token.type.startsWith('heading_')) token.tag = `h${Math.min(6, Number(token.tag.slice(1)) + 1)}`
  }
  return {
    slug: lesson.slug,
    number: lesson.number,
    title: title ?? escapeHtml(lesson.slug.slice(3).replaceAll('-', ' ')),
    tokens,
    words: lesson.markdown.split(/\s+/).length,
    sections,
  }
}

/** Removes the first heading, `# 3 · A basic cluster`, and gives its text without the number. */
function takeTitle(tokens: Token[]): string | undefined {
  const [open, inline] = tokens
  if (open?.type !== 'heading_open' || open.tag !== 'h1' || !inline?.children) return undefined
  const title = renderInline(inline.children).replace(/^\d+ · /, '')
  tokens.splice(0, 3)
  return title
}

function sectionsOf(tokens: readonly Token[], chapter: number): readonly Section[] {
  const starts = [...tokens.entries()].filter(([, { type, tag }]) => type === 'heading_open' && tag === 'h2')
  const first = {
    number: String(chapter),
    id: `lesson-${chapter}`,
    title: '',
    tokens: tokens.slice(0, starts[0]?.[0]),
  }
  const others = starts.map(([start, heading], index) => ({
    number: `${chapter}.${index + 1}`,
    id: String(heading.attrGet('id') ?? ''),
    title: titleOf(tokens[start + 1]),
    tokens: tokens.slice(start, starts[index + 1]?.[0]),
  }))
  return [first, ...others]
}

/** Without the links, as it stands inside one in the table of contents. */
function titleOf(inline: Token | undefined): string {
  if (!inline?.children) return ''
  const words = inline.children.filter(({ type }) => !type.startsWith('link_'))
  return words.length > 0 ? renderInline(words) : escapeHtml(plainText(inline))
}

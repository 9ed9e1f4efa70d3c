/** The alphabetical index: the names that the lessons set in code, and the terms that they set in bold. */

import type { Section } from './chapter.ts'
import type { Token } from './markdown.ts'
import { escapeHtml } from './words.ts'

/** The index as HTML, a list for each letter. */
export function indexOf(sections: readonly Section[]): string {
  const letters = groupBy(termsOf(sections), ({ letters }) => letters.charAt(0).toUpperCase())
  return [...letters]
    .map(([letter, terms]) => `<section><h3>${letter}</h3><ul>${terms.map(entryOf).join('')}</ul></section>`)
    .join('\n')
}

/** `cluster.fork()` is code, "round robin" is not: the one is looked for in code, the other in prose. */
interface Term {
  readonly name: string
  readonly isCode: boolean
  /** What it is sorted by. */
  readonly letters: string
  /** The sections that speak of it, in the book's order. */
  readonly sections: Section[]
}

function termsOf(sections: readonly Section[]): readonly Term[] {
  const codes = new Map<string, Term>()
  const phrases = new Map<string, Term>()
  for (const { tokens } of sections) {
    for (const { name, isCode } of markedIn(tokens)) {
      const [terms, key] = isCode ? [codes, withoutCall(name)] : [phrases, name]
      if (!terms.has(key)) terms.set(key, { name, isCode, letters: lettersOf(name), sections: [] })
    }
  }
  const starts = groupBy(phrases.values(), ({ name }) => name.split(' ', 1)[0] ?? name)
  for (const section of sections) {
    for (const term of mentionsIn(section.tokens, codes, starts)) {
      if (term.sections.at(-1) !== section) term.sections.push(section)
    }
  }
  return [...codes.values(), ...phrases.values()].sort(
    (one, other) => compare(one.letters, other.letters) || compare(one.name, other.name),
  )
}

function entryOf({ name, isCode, sections }: Term): string {
  const links = sections.map(({ id, number }) => `<a href="#${id}">${number}</a>`)
  return `<li>${isCode ? `<code>${escapeHtml(name)}</code>` : escapeHtml(name)} ${links.join(', ')}</li>`
}

/** What one part of the text sets in code or in bold. */
function* markedIn(tokens: readonly Token[]): Generator<{ readonly name: string; readonly isCode: boolean }> {
  for (const { children } of tokens) {
    for (const [index, { type, content }] of (children ?? []).entries()) {
      if (type === 'code_inline' && isName(content)) yield { name: content, isCode: true }
      const isBold = type === 'text' && children?.[index - 1]?.type === 'strong_open'
      if (isBold && isTerm(content)) yield { name: content, isCode: false }
    }
  }
}

/** `cluster.fork()`, `SIGTERM`, `process.memoryUsage().rss`; not a command, not a number. */
function isName(code: string): boolean {
  return /^[a-z_$][\w$.:]*(?:\(\))?(?:\.\w+)?$/i.test(code) && code.length >= 3 && code.length <= 36
}

/** One to three words in lower case, none of them a particle: other bold text is emphasis. */
function isTerm(bold: string): boolean {
  return (
    /^\p{Ll}[\p{Ll}-]+(?: [\p{Ll}-]+){0,2}$/u.test(bold) &&
    !bold.split(' ').some((word) => particles.has(word))
  )
}

type Codes = ReadonlyMap<string, Term>

/** The terms of prose by their first words: a longer one is looked at only where its first word stands. */
type Starts = ReadonlyMap<string, readonly Term[]>

function* mentionsIn(tokens: readonly Token[], codes: Codes, starts: Starts): Generator<Term> {
  for (const token of tokens) {
    if (token.type === 'fence') yield* namedIn(token.content, codes)
    for (const { type, content } of token.children ?? []) {
      if (type === 'code_inline') yield* namedIn(content, codes)
      else if (type === 'text') yield* spokenOfIn(content, starts)
    }
  }
}

function* namedIn(code: string, codes: Codes): Generator<Term> {
  for (const name of code.match(/[a-z_$][\w$]*(?::[a-z]\w*)?(?:(?:\(\))?\.\w+)*/gi) ?? []) {
    const term = codes.get(name)
    if (term) yield term
  }
}

function* spokenOfIn(prose: string, starts: Starts): Generator<Term> {
  const words = prose.toLowerCase().match(/[\p{L}-]+/gu) ?? []
  for (let index = 0; index < words.length; index++) {
    for (const term of starts.get(words[index] ?? '') ?? []) {
      if (term.name.split(' ').every((part, offset) => words[index + offset] === part)) yield term
    }
  }
}

function withoutCall(name: string): string {
  return name.replace(/\(\)$/, '')
}

/** `Map.groupBy`, which Node 20 has not. */
function groupBy<Item>(
  items: Iterable<Item>,
  keyOf: (item: Item) => string,
): ReadonlyMap<string, readonly Item[]> {
  const groups = new Map<string, Item[]>()
  for (const item of items) {
    const group = groups.get(keyOf(item))
    if (group) group.push(item)
    else groups.set(keyOf(item), [item])
  }
  return groups
}

/** Its letters and digits, whatever their case. */
function lettersOf(name: string): string {
  return name.toLowerCase().replace(/[^\p{L}\p{N}]/gu, '')
}

/** By code units: the same on every machine, whatever its language. */
function compare(one: string, other: string): number {
  if (one === other) return 0
  return one < other ? -1 : 1
}

const particles: ReadonlySet<string> = new Set(
  `
    a after all an and any are at be before both by each every few for four from has have in into is
    it its many more most must never no none not nothing of off on once one only or other out own
    same than that the their then there they three to too twice two was what when where which who
    whole will with you your
  `
    .trim()
    .split(/\s+/),
)

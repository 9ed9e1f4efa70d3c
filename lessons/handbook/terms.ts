/** The alphabetical index: the names that the lessons set in code, and the terms that they set in bold. */

import type { Section } from './chapter.ts'
import type { Token } from './markdown.ts'
import { escapeHtml } from './words.ts'

/** What one section says, for the index. */
export interface Reading {
  readonly section: Section
  /** What it sets in code or in bold, and an index has. */
  readonly marked: readonly Marked[]
  /** All names in its code. */
  readonly names: readonly string[]
  /** The words of its prose, in lower case, a list for each run of it. */
  readonly prose: readonly (readonly string[])[]
}

interface Marked {
  readonly name: string
  readonly isCode: boolean
  /** What it is sorted by. */
  readonly letters: string
}

export function readingOf(section: Section): Reading {
  const names: string[] = []
  const prose: (readonly string[])[] = []
  for (const token of section.tokens) {
    if (token.type === 'fence') names.push(...namesIn(token.content))
    for (const { type, content } of token.children ?? []) {
      if (type === 'code_inline') names.push(...namesIn(content))
      else if (type === 'text') prose.push(content.toLowerCase().match(/[\p{L}-]+/gu) ?? [])
    }
  }
  return { section, marked: [...markedIn(section.tokens)], names, prose }
}

/** The index as HTML, a list for each letter. */
export function indexOf(readings: readonly Reading[]): string {
  const letters = groupBy(termsOf(readings), ({ letters }) => letters.charAt(0).toUpperCase())
  return [...letters]
    .map(([letter, terms]) => `<section><h3>${letter}</h3><ul>${terms.map(entryOf).join('')}</ul></section>`)
    .join('\n')
}

/** `cluster.fork()` is code, "round robin" is not: the one is looked for in code, the other in prose. */
interface Term extends Marked {
  /** The sections that speak of it, in the book's order. */
  readonly sections: Section[]
}

function termsOf(readings: readonly Reading[]): readonly Term[] {
  const codes = new Map<string, Term>()
  const phrases = new Map<string, Term>()
  for (const { marked } of readings) {
    for (const one of marked) {
      const [terms, key] = one.isCode ? [codes, withoutCall(one.name)] : [phrases, one.name]
      if (!terms.has(key)) terms.set(key, { ...one, sections: [] })
    }
  }
  const starts = groupBy(
    [...phrases.values()].map((term) => ({ term, words: term.name.split(' ') })),
    ({ words }) => words[0] ?? '',
  )
  for (const { section, names, prose } of readings) {
    const speaksOf = ({ sections }: Term): void => {
      if (sections.at(-1) !== section) sections.push(section)
    }
    for (const name of names) {
      const term = codes.get(name)
      if (term) speaksOf(term)
    }
    for (const words of prose) {
      for (const [index, word] of words.entries()) {
        // A longer one is looked at only where its first word stands.
        for (const { term, words: all } of starts.get(word) ?? []) {
          if (all.every((part, offset) => words[index + offset] === part)) speaksOf(term)
        }
      }
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
function* markedIn(tokens: readonly Token[]): Generator<Marked> {
  for (const { children } of tokens) {
    for (const [index, { type, content }] of (children ?? []).entries()) {
      const letters = lettersOf(content)
      if (type === 'code_inline' && isName(content)) yield { name: content, isCode: true, letters }
      const isBold = type === 'text' && children?.[index - 1]?.type === 'strong_open'
      if (isBold && isTerm(content)) yield { name: content, isCode: false, letters }
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

function namesIn(code: string): readonly string[] {
  return code.match(/[a-z_$][\w$]*(?::[a-z]\w*)?(?:(?:\(\))?\.\w+)*/gi) ?? []
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

/** What a term is sorted by: its letters and digits, whatever their case. */
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

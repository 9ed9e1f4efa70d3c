/** Which check answers for which sentence of a contract: what `answers.md` says, and whether it holds. */

import { plainText, tokensOf } from '../../reader/markdown.ts'
import { contractOf, describedIn, descriptionsOf, normalised } from './sentences.ts'

/** Headings beside the checks' names, for sentences that no single check answers for. */
export const BESIDE = ['Every check', 'Left to the program', 'Not checked'] as const

/** Words of a contract, by the check's name or one of `BESIDE`. */
export type Answers = ReadonlyMap<string, readonly string[]>

/** Reads `answers.md`: under `## <name of the check>` a list, an item some words of the contract. */
export function answersOf(markdown: string): Answers {
  const tokens = tokensOf(markdown)
  const answers = new Map<string, string[]>()
  let words: string[] = []
  for (const [index, token] of tokens.entries()) {
    if (token.type === 'heading_open' && token.tag === 'h2') {
      const inline = tokens[index + 1]
      words = []
      if (inline !== undefined) answers.set(plainText(inline), words)
    }
    if (token.type === 'inline' && tokens[index - 2]?.type === 'list_item_open')
      words.push(normalised(token.content))
  }
  return answers
}

/**
 * Everything that is wrong with it, a line each: a check that is not described in the README or has no words, words
 * that stand in no sentence or in several, a sentence that is named nowhere.
 */
export function problemsWith(names: readonly string[], readme: string, answers: Answers): readonly string[] {
  const sentences = contractOf(readme)
  const bullets = descriptionsOf(readme)
  const described = bullets.flatMap(describedIn)
  const headings = [...answers.keys()]
  const named = new Set<string>()
  const problems: string[] = []
  for (const [heading, words] of answers) {
    for (const some of words) {
      const found = sentencesWith(sentences, some)
      for (const sentence of found) named.add(sentence)
      const elsewhere = bullets.some((bullet) => bullet.includes(some))
      if (found.size === 0 && !elsewhere)
        problems.push(`“${some}” (${heading}) stands neither in the contract nor in how it is checked`)
      if (new Set([...found].map(withoutEnd)).size > 1)
        problems.push(`“${some}” (${heading}) stands in ${found.size} sentences: take more words`)
    }
  }
  return [
    ...names
      .filter((name) => !described.includes(name))
      .map((name) => `“${name}” has no bullet in the README's “How it is checked”`),
    ...described
      .filter((name) => !names.includes(name))
      .map((name) => `the README describes “${name}”, and there is no such check`),
    ...names
      .filter((name) => (answers.get(name)?.length ?? 0) === 0)
      .map((name) => `“${name}” has no words in answers.md`),
    ...headings
      .filter((heading) => !names.includes(heading) && !BESIDE.some((one) => one === heading))
      .map((heading) => `“${heading}” in answers.md is no check of this lesson`),
    ...problems,
    ...sentences
      .filter((sentence) => !named.has(sentence))
      .map((sentence) => `no check answers for “${sentence}”, and answers.md does not say why`),
  ]
}

/** Those that hold the words; where the words are a whole sentence, that one, however often it stands there. */
function sentencesWith(sentences: readonly string[], words: string): ReadonlySet<string> {
  const whole = sentences.filter((sentence) => withoutEnd(sentence) === withoutEnd(words))
  const holding = sentences.filter((sentence) => sentence.includes(words))
  return new Set(whole.length > 0 ? whole : holding)
}

function withoutEnd(sentence: string): string {
  return sentence.replace(/[.;]$/, '')
}

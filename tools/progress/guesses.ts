/** What a learner has guessed of a lesson: kept as JSON in `.workshop/guesses/<slug>.json`. */

import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setAside, writeAtomically } from './store.ts'

/** By the text of the question, which stays when others are added. */
export type Guesses = ReadonlyMap<string, Guess>

export interface Guess {
  /** A number, or the letter of a choice. */
  readonly given: string
  /** ISO 8601. */
  readonly at: string
}

export interface GuessStore {
  read(slug: string): Guesses
  /** @throws Error when it cannot be written */
  keep(slug: string, question: string, guess: Guess): void
}

/** @param warn told in one line about a file that cannot be read */
export function guessStore(root: string, warn: (line: string) => void): GuessStore {
  const folder = join(root, '.workshop', 'guesses')
  const read = (slug: string): Guesses => {
    const path = join(folder, `${slug}.json`)
    const text = textOf(path)
    if (text === undefined) return new Map()
    const guesses = parsed(text)
    if (guesses !== undefined) return guesses
    warn(`Your guesses of ${slug} could not be read; ${setAside(path)}.`)
    return new Map()
  }
  return {
    read,
    keep(slug, question, guess) {
      const guesses = Object.fromEntries([...read(slug), [question, guess]])
      mkdirSync(folder, { recursive: true })
      writeAtomically(
        join(folder, `${slug}.json`),
        `${JSON.stringify({ version: 1, guesses }, undefined, 2)}\n`,
      )
    },
  }
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

function parsed(text: string): Guesses | undefined {
  try {
    const { version, guesses } = JSON.parse(text) as { version?: unknown; guesses?: Record<string, Guess> }
    if (version !== 1 || typeof guesses !== 'object') return undefined
    const entries = Object.entries(guesses)
    return entries.every(([, guess]) => typeof guess.given === 'string' && typeof guess.at === 'string')
      ? new Map(entries)
      : undefined
  } catch {
    return undefined
  }
}

/** Guesses before measuring: asked for and kept; and what came of them, once the lesson has passed. */

import { existsSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline/promises'
import type { Throughput } from '../../harness/verdict.ts'
import { guessStore, type Guess, type GuessStore } from '../../progress/guesses.ts'
import { progressStore } from '../../progress/store.ts'
import { questionsOf, type Question, type Ratio } from '../../reader/questions.ts'
import { Interruption } from '../desk.ts'
import { UsageError } from '../endings.ts'
import { wrap } from '../screen/fit.ts'
import type { Page } from '../screen/lines.ts'
import { pageOf, type Visit, warnOn } from './visit.ts'

/** @param words nothing, or the number of a question and a guess */
export async function predict(visit: Visit, words: readonly string[]): Promise<number> {
  const { desk, lesson } = visit
  const questions = questionsIn(visit)
  const command = `npm run lesson ${lesson.number} predict`
  if (questions.length === 0) throw new UsageError(`Lesson ${lesson.number} has no questions to guess at.`)
  const store = guessStore(desk.root, warnOn(desk))
  const [which, ...rest] = words
  if (which === undefined) {
    if (desk.stdin.isTTY === true && desk.stdout.isTTY === true) return ask(visit, questions, store)
    desk.stdout.write(`${listed(visit, questions, store, command).join('\n')}\n`)
    return 0
  }
  const question = questions[Number(which) - 1]
  if (question === undefined) {
    throw new UsageError(`There is no question ${which}: ${command} shows 1 to ${questions.length}.`)
  }
  if (rest.length === 0)
    throw new UsageError(`What is your guess? ${command} ${which} ${exampleOf(question)}`)
  const guess = guessIn(rest.join(' '), question)
  if (guess === undefined)
    throw new UsageError(`${problemWith(question)}: ${command} ${which} ${exampleOf(question)}`)
  keep(visit, store, question, guess)
  desk.stdout.write(
    `Kept: ${shownGuess(question, guess)}. What comes of it is told when lesson ${lesson.number} passes.\n`,
  )
  return 0
}

/** What to say before the first check, while nothing has been guessed. */
export function invitation(visit: Visit): readonly string[] {
  const { lesson, desk } = visit
  if (!existsSync(lesson.predict)) return []
  if (progressStore(desk.root, () => undefined).read(lesson.slug).attempts > 0) return []
  if (guessStore(desk.root, () => undefined).read(lesson.slug).size > 0) return []
  const { paint } = pageOf(visit)
  return [paint.gray(`Guess before you measure:  npm run lesson ${lesson.number} predict`), '']
}

/** The guesses against what came, after a pass; nothing where nothing was guessed. */
export function outcomeLines(visit: Visit, throughput: Throughput | undefined): readonly string[] {
  const { desk, lesson } = visit
  if (!existsSync(lesson.predict)) return []
  const page = pageOf(visit)
  const guesses = guessStore(desk.root, warnOn(desk)).read(lesson.slug)
  const lines = questionsIn(visit).flatMap((question) => {
    const guess = guesses.get(question.text)
    return guess === undefined ? [] : outcomeOf(question, guess.given, throughput, page)
  })
  return lines.length === 0 ? [] : [page.paint.bold('    What you guessed'), ...lines, '']
}

function questionsIn({ lesson }: Visit): readonly Question[] {
  return existsSync(lesson.predict) ? questionsOf(readFileSync(lesson.predict, 'utf8')) : []
}

async function ask(visit: Visit, questions: readonly Question[], store: GuessStore): Promise<number> {
  const { desk, lesson } = visit
  const { paint } = pageOf(visit)
  const before = store.read(lesson.slug)
  const lines = createInterface({ input: desk.stdin, output: desk.stdout })
  const gone = new AbortController()
  lines.on('SIGINT', () => gone.abort(new Interruption(130)))
  // Ctrl-D: enough for now.
  lines.on('close', () => gone.abort(new Interruption(0)))
  try {
    desk.stdout.write(`${paint.gray('Enter passes over a question, Ctrl-C ends.')}\n\n`)
    for (const [index, question] of questions.entries()) {
      desk.stdout.write(`${questionLines(question, index, pageOf(visit)).join('\n')}\n`)
      const old = before.get(question.text)
      for (;;) {
        const hint = old === undefined ? '' : ` (until now ${old.given})`
        const answer = await lines.question(`    your guess${hint}: `, { signal: gone.signal })
        if (answer.trim() === '') break
        const guess = guessIn(answer, question)
        if (guess !== undefined) {
          keep(visit, store, question, guess)
          break
        }
        desk.stdout.write(`    ${problemWith(question)}, as ${exampleOf(question)}\n`)
      }
      desk.stdout.write('\n')
    }
  } catch (error) {
    if (!gone.signal.aborted) throw error
    desk.stdout.write('\n')
    throw gone.signal.reason
  } finally {
    lines.close()
  }
  desk.stdout.write(`What comes of them is told when the lesson passes:  npm run lesson ${lesson.number}\n`)
  return 0
}

function listed(
  visit: Visit,
  questions: readonly Question[],
  store: GuessStore,
  command: string,
): readonly string[] {
  const page = pageOf(visit)
  const guesses = store.read(visit.lesson.slug)
  const lines = questions.flatMap((question, index) => {
    const guess = guesses.get(question.text)
    const own =
      guess === undefined ? [] : [page.paint.cyan(`    your guess: ${shownGuess(question, guess.given)}`)]
    return [...questionLines(question, index, page), ...own, '']
  })
  const [first] = questions
  return [...lines, `To guess:  ${command} 1 ${first === undefined ? '' : exampleOf(first)}`]
}

function questionLines(
  { text, choices }: Question,
  index: number,
  { columns, paint }: Page,
): readonly string[] {
  const lines = wrap(text, columns - 4)
  return [
    ...lines.map((line, at) => paint.bold(at === 0 ? `${index + 1}.  ${line}` : `    ${line}`)),
    ...choices.flatMap(([letter, choice]) =>
      wrap(choice, columns - 8).map((line, at) => `    ${at === 0 ? `${letter}   ` : '    '}${line}`),
    ),
  ]
}

function keep({ lesson }: Visit, store: GuessStore, question: Question, given: string): void {
  const guess: Guess = { given, at: new Date().toISOString() }
  try {
    store.keep(lesson.slug, question.text, guess)
  } catch (error) {
    throw new UsageError(
      `Your guess cannot be kept: ${error instanceof Error ? error.message : String(error)}`,
    )
  }
}

/** As it is kept; undefined when it is no guess at this question. */
function guessIn(typed: string, { unit, choices }: Question): string | undefined {
  const text = typed.trim()
  if (unit === undefined) {
    const letter = text.toLowerCase().replace(/[).:]$/, '')
    return choices.some(([one]) => one === letter) ? letter : undefined
  }
  // `1,9`, `~2` and `1.9 times` are meant as numbers, too.
  const number = /^[~≈]?\s*(\d+(?:[.,]\d+)?)\s*(?:[a-z×%]*)$/i.exec(text)?.[1]?.replace(',', '.')
  return number === undefined ? undefined : String(Number(number))
}

function problemWith({ unit, choices }: Question): string {
  return unit === undefined
    ? `A guess is one of ${choices.map(([letter]) => letter).join(', ')}`
    : 'A guess is a number'
}

function exampleOf({ unit, choices }: Question): string {
  return unit === undefined ? (choices[0]?.[0] ?? 'a') : '1.5'
}

function shownGuess({ unit, choices }: Question, given: string): string {
  if (unit !== undefined) return `${given} ${unit}`
  return choices.find(([letter]) => letter === given)?.[1] ?? given
}

function outcomeOf(
  question: Question,
  given: string,
  throughput: Throughput | undefined,
  { columns, paint }: Page,
): readonly string[] {
  const came = whatCame(question, throughput)
  const sign =
    came === undefined ? paint.gray('·') : came.isNear(given) ? paint.green('✓') : paint.yellow('≠')
  const indented = (text: string, colour: (line: string) => string): readonly string[] =>
    wrap(text, columns - 8).map((line) => `        ${colour(line)}`)
  const [first = '', ...more] = wrap(question.text, columns - 8)
  return [
    `    ${sign}   ${first}`,
    ...more.map((line) => `        ${line}`),
    ...indented(`you guessed ${shownGuess(question, given)}`, (line) => line),
    ...(came === undefined
      ? indented('it was not measured this time', paint.gray)
      : [...indented(came.text, paint.bold), ...indented(question.why, paint.gray)]),
  ]
}

interface Came {
  readonly text: string
  isNear(given: string): boolean
}

function whatCame(question: Question, throughput: Throughput | undefined): Came | undefined {
  const { answer, unit } = question
  switch (answer.kind) {
    case 'choice':
      return {
        text: `it is: ${shownGuess(question, answer.letter)}`,
        isNear: (given) => given === answer.letter,
      }
    case 'number':
      return {
        text: `it is ${answer.value} ${unit}`,
        isNear: (given) => isWithin(Number(given), answer.value, answer.tolerance),
      }
    case 'measured': {
      if (throughput === undefined) return undefined
      const value = ratioOf(answer.ratio, throughput)
      const beside =
        answer.beside === undefined
          ? ''
          : `; ${answer.beside.what}: ${ratioOf(answer.beside.ratio, throughput).toFixed(2)}`
      return {
        text: `measured: ${value.toFixed(2)} ${unit}${beside}`,
        isNear: (given) => isWithin(Number(given), value, answer.tolerance),
      }
    }
  }
}

function ratioOf({ of, to }: Ratio, throughput: Throughput): number {
  return throughput[of] / throughput[to]
}

function isWithin(guess: number, value: number, tolerance: number): boolean {
  return Math.abs(guess - value) <= Math.abs(value) * tolerance
}

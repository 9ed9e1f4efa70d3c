/** A lesson's questions to guess at, from its `predict.md`. */

/**
 * One `## Question?`, and below it a list: `number: UNIT`, or choices `a: …`, `b: …`; then `answer: …`, or
 * `measured: yours/one` (rates of the throughput that the checker measures); perhaps `about: 10`, how many per cent off
 * is near enough; perhaps `beside: ideal/one, what it is`; and `why: …`.
 */
export interface Question {
  readonly text: string
  /** What is counted, of a question for a number; undefined where one of the choices is right. */
  readonly unit: string | undefined
  /** Letter and text of each choice, in order. */
  readonly choices: readonly (readonly [letter: string, text: string])[]
  readonly answer: Answer
  readonly why: string
}

export type Rate = 'one' | 'ideal' | 'yours'

export interface Ratio {
  readonly of: Rate
  readonly to: Rate
}

export type Answer =
  | { readonly kind: 'choice'; readonly letter: string }
  /** `tolerance`: a plain ratio. */
  | { readonly kind: 'number'; readonly value: number; readonly tolerance: number }
  | {
      readonly kind: 'measured'
      readonly ratio: Ratio
      readonly tolerance: number
      readonly beside: { readonly ratio: Ratio; readonly what: string } | undefined
    }

/** A measured number is near enough within this part of it: machines differ, and so do runs. */
const MEASURED_TOLERANCE = 0.2

/** @throws Error with the question and what is wrong with it */
export function questionsOf(markdown: string): readonly Question[] {
  return markdown
    .split(/^## /m)
    .slice(1)
    .map((section) => questionIn(section))
}

function questionIn(section: string): Question {
  const [text = '', ...lines] = section.split('\n')
  const fields = new Map<string, string>()
  for (const line of lines) {
    const field = /^- ([a-z]+): (.+)$/.exec(line)
    if (field?.[1] !== undefined && field[2] !== undefined) fields.set(field[1], field[2].trim())
    else if (line.trim() !== '') throw new Error(`“${text}”: ${line} is no “- name: value”`)
  }
  const unknown = [...fields.keys()].find((name) => name.length > 1 && !NAMES.includes(name))
  if (unknown !== undefined) throw new Error(`“${text}”: nobody reads “${unknown}”`)
  const choices = [...fields].filter(([name]) => name.length === 1)
  const unit = fields.get('number')
  if ((unit === undefined) === (choices.length === 0)) {
    throw new Error(`“${text}” has either a number or choices`)
  }
  const why = fields.get('why')
  if (why === undefined) throw new Error(`“${text}” does not say why`)
  return { text: text.trim(), unit, choices, answer: answerIn(text, fields, choices), why }
}

const NAMES = ['number', 'answer', 'measured', 'about', 'beside', 'why']

function answerIn(text: string, fields: ReadonlyMap<string, string>, choices: Question['choices']): Answer {
  const about = fields.get('about')
  const measured = fields.get('measured')
  const answer = fields.get('answer')
  if (measured !== undefined) {
    const beside = /^(\S+), (.+)$/.exec(fields.get('beside') ?? '')
    return {
      kind: 'measured',
      ratio: ratioIn(text, measured),
      tolerance: about === undefined ? MEASURED_TOLERANCE : Number(about) / 100,
      beside: beside === null ? undefined : { ratio: ratioIn(text, beside[1] ?? ''), what: beside[2] ?? '' },
    }
  }
  if (answer === undefined) throw new Error(`“${text}” has neither an answer nor something measured`)
  if (choices.length > 0) {
    if (choices.every(([letter]) => letter !== answer)) throw new Error(`“${text}” has no choice ${answer}`)
    return { kind: 'choice', letter: answer }
  }
  if (!Number.isFinite(Number(answer))) throw new Error(`“${text}”: ${answer} is no number`)
  return { kind: 'number', value: Number(answer), tolerance: about === undefined ? 0 : Number(about) / 100 }
}

function ratioIn(text: string, ratio: string): Ratio {
  const [of, to] = ratio.split('/')
  if (!isRate(of) || !isRate(to)) throw new Error(`“${text}”: ${ratio} is not two of one, ideal, yours`)
  return { of, to }
}

function isRate(name: string | undefined): name is Rate {
  return name === 'one' || name === 'ideal' || name === 'yours'
}

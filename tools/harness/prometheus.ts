/** Reads the text format of Prometheus: https://prometheus.io/docs/instrumenting/exposition_formats/ */

export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface Exposition {
  readonly samples: readonly Sample[]
  /** `counter`, `gauge`, …, by the name of the metric. */
  readonly types: Readonly<Record<string, string>>
  /** The first line that the format does not know. */
  readonly odd: string | undefined
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*'
const LINE = new RegExp(String.raw`^(${NAME})(?:\{(.*)\})?[ \t]+(\S+)(?:[ \t]+\S+)?(?:[ \t]+#.*)?$`)
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g

export function readExposition(text: string): Exposition {
  const samples: Sample[] = []
  const types: Record<string, string> = {}
  let odd: string | undefined
  for (const line of text.split('\n').map((line) => line.trim())) {
    if (line === '') continue
    const type = new RegExp(String.raw`^#[ \t]+TYPE[ \t]+(${NAME})[ \t]+(\w+)`).exec(line)
    if (type?.[1] !== undefined && type[2] !== undefined) types[type[1]] = type[2]
    if (line.startsWith('#')) continue
    const [, name, labels = '', number = ''] = LINE.exec(line) ?? []
    const value = numberFrom(number)
    if (name === undefined || value === undefined) odd ??= line
    else samples.push({ name, labels: labelsFrom(labels), value })
  }
  return { samples, types, odd }
}

function labelsFrom(text: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    [...text.matchAll(LABEL)].map(([, name = '', value = '']) => [name, unescaped(value)]),
  )
}

function unescaped(value: string): string {
  return value.replaceAll(/\\(.)/g, (_all, letter: string) => (letter === 'n' ? '\n' : letter))
}

function numberFrom(text: string): number | undefined {
  if (/^[+-]?Inf$/i.test(text)) return text.startsWith('-') ? -Infinity : Infinity
  if (/^NaN$/i.test(text)) return Number.NaN
  const value = Number(text)
  return text === '' || Number.isNaN(value) ? undefined : value
}

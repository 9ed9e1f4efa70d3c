/** Reads a command line: Node's own parser, with messages that name the nearest known option. */

import { parseArgs } from 'node:util'
import { UsageError } from './endings.ts'

/** `flag` takes no value; anything else is what to call the value: `FILE`. */
export type Options = Readonly<Record<string, 'flag' | (string & {})>>

export interface CommandLine<Known extends Options> {
  readonly flags: { readonly [Name in keyof Known]: boolean }
  readonly values: { readonly [Name in keyof Known]: string | undefined }
  readonly operands: readonly string[]
}

/** @throws UsageError for an unknown option, a missing value, or a value that nobody asked for */
export async function readArguments<const Known extends Options>(
  args: readonly string[],
  known: Known,
): Promise<CommandLine<Known>> {
  const names = Object.keys(known)
  const { tokens } = parseArgs({
    // npm takes the `--` away that other package managers pass on; nothing here begins with a dash.
    args: args.filter((arg) => arg !== '--'),
    options: Object.fromEntries(
      names.map((name) => [
        name,
        { type: known[name] === 'flag' ? ('boolean' as const) : ('string' as const) },
      ]),
    ),
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  const flags = filled<Known, boolean>(names, false)
  const values = filled<Known, string | undefined>(names, undefined)
  const operands: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') operands.push(token.value)
    if (token.kind !== 'option') continue
    const kind = Object.hasOwn(known, token.name) ? known[token.name] : undefined
    if (kind === undefined) throw await unknownOption(token.rawName, names)
    if (kind === 'flag') {
      if (token.value !== undefined) throw new UsageError(`--${token.name} takes no value.`)
      flags[token.name as keyof Known] = true
      continue
    }
    if (
      token.value === undefined ||
      token.value === '' ||
      (!token.inlineValue && token.value.startsWith('-'))
    ) {
      throw new UsageError(`--${token.name} needs a ${kind}: --${token.name} ${kind}`)
    }
    values[token.name as keyof Known] = token.value
  }
  return { flags, values, operands }
}

/** The candidate that was probably meant, or undefined when none is near. */
export async function nearest(given: string, candidates: readonly string[]): Promise<string | undefined> {
  const { closestMatch } = await import('leven')
  return closestMatch(given, candidates, { maxDistance: Math.max(2, Math.floor(given.length / 3)) })
}

function filled<Known extends Options, Value>(
  names: readonly string[],
  value: Value,
): Record<keyof Known, Value> {
  return Object.fromEntries(names.map((name) => [name, value])) as Record<keyof Known, Value>
}

async function unknownOption(rawName: string, names: readonly string[]): Promise<UsageError> {
  const known = names.map((name) => `--${name}`)
  const match = await nearest(rawName, known)
  const advice = match === undefined ? `the options are ${known.join(', ')}` : `did you mean ${match}?`
  return new UsageError(`There is no option ${rawName}: ${advice}`)
}

/** Whether colour was asked for; undefined leaves it to the terminal and the environment. */
export function colourAskedFor(flags: {
  readonly color: boolean
  readonly 'no-color': boolean
}): boolean | undefined {
  if (flags['no-color']) return false
  return flags.color ? true : undefined
}

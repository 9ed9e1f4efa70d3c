/** One request, byte for byte as it is written here, and the head of its answer, line by line. */

import { openRaw } from './clients.ts'
import { seconds } from './patience.ts'
import { Mismatch } from './problems.ts'
import type { Program } from './program.ts'

/** Names in small letters, in their order, with every repeat. */
export type Fields = readonly (readonly [name: string, value: string])[]

export interface RawAnswer {
  readonly status: number
  readonly fields: Fields
  /** As it came, chunks not taken apart, in latin1. */
  readonly body: string
}

/** The lines of the head have to hold `connection: close`: the answer ends with the connection. */
export async function askRaw(
  program: Program,
  lines: readonly string[],
  { body = Buffer.alloc(0), read }: { readonly body?: Buffer; readonly read: string },
): Promise<RawAnswer> {
  using client = await openRaw(program.port)
  client.send(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), body]))
  await program.until(() => client.closed || undefined, { within: seconds(10) })
  const end = client.received.indexOf('\r\n\r\n')
  if (end < 0 || !client.closed) {
    throw new Mismatch({
      expected: `${lines[0]} is answered, and with connection: close the connection ends`,
      got: end < 0 ? (client.failure ?? 'no answer') : 'an answer, and the connection stays open',
      read,
      repeat: program.commandWith('/'),
    })
  }
  const [first = '', ...rest] = client.received.slice(0, end).split('\r\n')
  const raw = rest.flatMap((line) => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon), line.slice(colon + 1).trim()]
  })
  return { status: Number(first.split(' ')[1]), fields: fieldsOf(raw), body: client.received.slice(end + 4) }
}

/** From names and values in turns, as Node lists them. */
export function fieldsOf(rawHeaders: readonly string[]): Fields {
  return rawHeaders.flatMap((name, index) =>
    index % 2 === 0 ? [[name.toLowerCase(), rawHeaders[index + 1] ?? ''] as const] : [],
  )
}

/** All values of one name. */
export function valuesOf(fields: Fields, name: string): readonly string[] {
  return fields.filter(([field]) => field === name).map(([, value]) => value)
}

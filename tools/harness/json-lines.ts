/** Lines of JSON that a program prints, and the one among them that tells of a request. */

import { seconds } from './patience.ts'
import { Mismatch, type Finding } from './problems.ts'
import type { Program } from './program.ts'

export type JsonLine = Readonly<Record<string, unknown>>

/** The object that this line holds, or undefined where it is none. */
export function jsonLine(text: string): JsonLine | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as JsonLine)
      : undefined
  } catch {
    return undefined
  }
}

/**
 * The line of JSON on standard output that tells of the request with this url, which no other request may have. A
 * Mismatch where there is none within 2 s, more than one, or one that does not parse.
 */
export async function requestLine(
  program: Program,
  url: string,
  { read, repeat }: Pick<Finding, 'read' | 'repeat'>,
): Promise<{ readonly line: JsonLine; readonly text: string }> {
  // As it came, or escaped as JSON does it.
  const escaped = JSON.stringify(url).slice(1, -1)
  const about = (stream: 'stdout' | 'stderr'): readonly string[] =>
    program.lines(stream).filter((line) => line.includes(url) || line.includes(escaped))
  await program.until(() => about('stdout')[0], { within: seconds(2) })
  const [text, ...more] = about('stdout')
  const expected = `one line of JSON on stdout for ${url.slice(0, 80)}`
  if (text === undefined) {
    const elsewhere = about('stderr').length > 0
    throw new Mismatch({
      expected,
      got: elsewhere ? 'it came on stderr' : 'no line holds this url',
      read,
      repeat,
    })
  }
  const line = jsonLine(text)
  if (line === undefined) {
    throw new Mismatch({
      expected,
      got: `no JSON: ${text.slice(0, 200)}`,
      likely:
        'the line is put together by hand, and something in it has to be escaped: JSON.stringify does that',
      read,
      repeat,
    })
  }
  if (more.length > 0) {
    const all = [text, ...more].join(' | ').slice(0, 300)
    throw new Mismatch({ expected, got: `${1 + more.length} lines: ${all}`, read, repeat })
  }
  return { line, text: text.slice(0, 300) }
}

import { expect, test } from 'vitest'
import { jsonLine, requestLine } from './json-lines.ts'
import type { Program } from './program.ts'

/** One that has printed these lines. */
const programThatSaid = (stdout: readonly string[], stderr: readonly string[] = []): Program =>
  ({
    lines: (stream: string) => (stream === 'stdout' ? stdout : stderr),
    until: async (look: () => unknown) => look(),
  }) as unknown as Program

const advice = { read: 'logs', repeat: 'again' }
const finding = (program: Program, url: string): Promise<unknown> =>
  requestLine(program, url, advice).catch((error: { finding: { got: string } }) => error.finding.got)

test('an object is one, and a list, a number or a broken line is none', () => {
  expect(jsonLine('{"a":1}')).toEqual({ a: 1 })
  for (const text of ['[1]', '1', 'null', '{"a":', 'ready']) expect(jsonLine(text)).toBeUndefined()
})

test('the line of a request is found by its url, escaped or not', async () => {
  const program = programThatSaid(['ready', '{"url":"/a?n=1"}', '{"url":"/b\\"c"}'])
  expect((await requestLine(program, '/a?n=1', advice)).line).toEqual({ url: '/a?n=1' })
  expect((await requestLine(program, '/b"c', advice)).line).toEqual({ url: '/b"c' })
})

test('no line, two lines, no JSON and another stream are told', async () => {
  expect(await finding(programThatSaid([]), '/a')).toBe('no line holds this url')
  expect(await finding(programThatSaid(['{"url":"/a"}', '{"url":"/a"}']), '/a')).toContain('2 lines')
  expect(await finding(programThatSaid(['"url":"/a"']), '/a')).toContain('no JSON')
  expect(await finding(programThatSaid([], ['{"url":"/a"}']), '/a')).toContain('stderr')
})

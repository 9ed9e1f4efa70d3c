import { randomBytes, randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { bitsOf, comeAgain } from './identifiers.ts'

const many = (make: () => string): readonly string[] => Array.from({ length: 400 }, make)

test('16 random bytes have 128 bits, in whatever way they are written', () => {
  const bytes = (encoding: BufferEncoding) => many(() => randomBytes(16).toString(encoding))
  const asNumber = (radix: number) =>
    many(() => BigInt(`0x${randomBytes(16).toString('hex')}`).toString(radix))
  for (const ids of [bytes('hex'), bytes('base64'), bytes('base64url'), asNumber(36), asNumber(10)])
    expect(bitsOf(ids)).toBeGreaterThan(127)
})

test('what is the same in all of them has none', () => {
  expect(bitsOf(many(() => `session-${randomBytes(2).toString('hex')}-end`))).toBeCloseTo(16, 0)
  expect(bitsOf(['one', 'one'])).toBe(0)
  expect(bitsOf([])).toBe(0)
})

test('a UUID has 122, and 15 bytes have 120', () => {
  expect(bitsOf(many(() => randomUUID()))).toBeCloseTo(122, 0)
  expect(bitsOf(many(() => randomBytes(15).toString('base64url')))).toBeCloseTo(120, 0)
})

test('a counter has few', () => {
  let count = 1000
  expect(bitsOf(many(() => String((count += 1))))).toBeLessThan(12)
})

test('two series of random ones do not come again, whatever is written before them', () => {
  const series = (): readonly string[] =>
    many(() => `session-of-a-user-${randomBytes(16).toString('hex')}`).slice(0, 8)
  expect(comeAgain(series(), series())).toBe(false)
})

test('the same ones come again, also with the time beside them, or if they are short', () => {
  const made = (time: string) => [11, 22, 33, 44].map((n) => `${time}-${(n * 123_456_789_123).toString(16)}`)
  expect(comeAgain(made('100'), made('217'))).toBe(true)
  expect(comeAgain(['1', '2', '3'], ['1', '2', '3'])).toBe(true)
})

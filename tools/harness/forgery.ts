/** Messages that a worker could send if somebody had taken it over: recorded ones with one part exchanged. */

import { createHmac } from 'node:crypto'

/** Hexadecimal HMAC-SHA256 of a text. */
export function signatureOf(key: string, text: string): string {
  return createHmac('sha256', key).update(text).digest('hex')
}

/**
 * The message with this text exchanged wherever it stands: as it is, in hexadecimal or base64, as bytes, or inside JSON
 * in a string. Texts are put in as the other one was written; anything else as it is. Undefined where it is nowhere.
 */
export function forge(message: unknown, text: string, into: unknown): unknown {
  let found = false
  const exchange = (value: unknown): unknown => {
    const encode = encodings.find((encode) => isSame(value, encode(text)))
    if (encode !== undefined) {
      found = true
      return typeof into === 'string' ? encode(into) : into
    }
    if (Array.isArray(value)) return value.map(exchange)
    if (isRecord(value)) {
      return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, exchange(part)]))
    }
    if (typeof value === 'string') {
      const inner = parsed(value)
      return inner === undefined ? value : JSON.stringify(exchange(inner))
    }
    return value
  }
  const forged = exchange(message)
  return found ? forged : undefined
}

/** For each field of a message, or each place of a list: the message with null there, and the one without it. */
export function maimed(message: unknown): readonly unknown[] {
  if (Array.isArray(message))
    return message.flatMap((_, index) => [message.with(index, null), message.toSpliced(index, 1)])
  if (!isRecord(message)) return []
  return Object.keys(message).flatMap((name) => {
    const { [name]: _, ...rest } = message
    return [{ ...message, [name]: null }, rest]
  })
}

/** Whether a message bears something that looks like a signature, or is one of these, in any writing. */
export function bearsSignature(json: string, possible: readonly string[], innocent: string): boolean {
  const digests = possible.flatMap((hex) => {
    const bytes = Buffer.from(hex, 'hex')
    return [hex, bytes.toString('base64'), bytes.toString('base64url'), [...bytes].join(',')]
  })
  if (digests.some((digest) => json.includes(digest))) return true
  // Whatever was signed instead: 64 hexadecimal digits that did not come from the workers.
  return (json.match(/\b[\da-f]{64}\b/gi) ?? []).some((digits) => !innocent.includes(digits))
}

const encodings: readonly ((text: string) => unknown)[] = [
  (text) => text,
  (text) => Buffer.from(text).toString('hex'),
  (text) => Buffer.from(text).toString('base64'),
  (text) => Buffer.from(text).toString('base64url'),
  (text) => Buffer.from(text).toJSON(),
  (text) => [...Buffer.from(text)],
]

function isSame(one: unknown, other: unknown): boolean {
  return typeof one === 'string' ? one === other : JSON.stringify(one) === JSON.stringify(other)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** What a string holds, where that is the JSON of an object or an array. */
function parsed(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

/** Speaks to a process through its inspector, as a debugger does: a WebSocket that carries lines of JSON. */

import { randomBytes } from 'node:crypto'
import { openRaw, type RawClient } from './clients.ts'
import { until } from './patience.ts'

/** What an expression is in the process behind this inspector, or why that could not be asked. */
export type Evaluated =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly why: string }

/** Asks the inspector at `ws://host:port/id` for the value of this expression; never rejects. */
export async function evaluateAt(address: string, expression: string, within = 5_000): Promise<Evaluated> {
  if (!URL.canParse(address)) return { ok: false, why: 'it is no address' }
  const url = new URL(address)
  if (url.protocol !== 'ws:' || url.port === '')
    return { ok: false, why: 'it is no ws://host:port/… address' }
  using client = await openRaw(Number(url.port), url.hostname.replaceAll(/[[\]]/g, ''))
  if (client.failure !== undefined) return { ok: false, why: `no connection (${client.failure})` }
  client.send(handshake(url))
  const answered = await until(() => headOf(client), { within })
  if (answered === undefined) return { ok: false, why: 'it gives no answer' }
  if (!answered.startsWith('HTTP/1.1 101'))
    return { ok: false, why: answered.split('\r\n')[0] ?? 'no answer' }
  client.send(frame(JSON.stringify({ id: 1, method: 'Runtime.evaluate', params: { expression } })))
  const reply = await until(() => replyIn(client.received.slice(answered.length)), { within })
  return reply === undefined ? { ok: false, why: 'it does not evaluate' } : { ok: true, value: reply.value }
}

/** RFC 6455, section 4.1. */
function handshake({ host, pathname }: URL): string {
  const key = randomBytes(16).toString('base64')
  return [
    `GET ${pathname} HTTP/1.1`,
    `Host: ${host}`,
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Key: ${key}`,
    'Sec-WebSocket-Version: 13',
    '\r\n',
  ].join('\r\n')
}

function headOf({ received, closed }: RawClient): string | undefined {
  const end = received.indexOf('\r\n\r\n')
  if (end >= 0) return received.slice(0, end + 4)
  return closed ? 'it closes the connection' : undefined
}

/** One masked text frame, as a client has to send it: RFC 6455, section 5.2. */
function frame(text: string): Buffer {
  const payload = Buffer.from(text)
  const mask = randomBytes(4)
  const head = Buffer.from([0x81, 0x80 | 126, payload.length >> 8, payload.length & 0xff])
  return Buffer.concat([head, mask, payload.map((byte, index) => byte ^ (mask[index % 4] ?? 0))])
}

/** The result among the frames that came, once it is there; `text` holds a byte in each character. */
function replyIn(text: string): { readonly value: unknown } | undefined {
  const bytes = Buffer.from(text, 'latin1')
  for (let at = 0; at + 2 <= bytes.length;) {
    const short = bytes.readUInt8(at + 1) & 0x7f
    const extra = short === 126 ? 2 : short === 127 ? 8 : 0
    if (at + 2 + extra > bytes.length) return undefined
    const length =
      extra === 0 ? short : extra === 2 ? bytes.readUInt16BE(at + 2) : Number(bytes.readBigUInt64BE(at + 2))
    const start = at + 2 + extra
    if (start + length > bytes.length) return undefined
    const found = resultIn(bytes.toString('utf8', start, start + length))
    if (found !== undefined) return found
    at = start + length
  }
  return undefined
}

function resultIn(json: string): { readonly value: unknown } | undefined {
  try {
    const message = JSON.parse(json) as { id?: number; result?: { result?: { value?: unknown } } }
    return message.id === 1 ? { value: message.result?.result?.value } : undefined
  } catch {
    return undefined
  }
}

/** Bounded HTTP requests, by default over a connection of their own. */

import { Agent, request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { patientNow, until } from './patience.ts'

export interface RequestOptions {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Buffer
  /** Keeps connections; without one every request opens its own and closes it. */
  readonly agent?: Agent
  /** Milliseconds on a quiet machine; 10 s unless told. */
  readonly within?: number
}

/** One connection that is kept for all requests that are given it, one at a time. */
export function keptConnection(): Disposable & { readonly agent: Agent } {
  return keptConnections(1)
}

/** As many as there are requests at once, and at most so many. */
export function keptConnections(most: number): Disposable & { readonly agent: Agent } {
  const agent = new Agent({ keepAlive: true, maxSockets: most })
  return { agent, [Symbol.dispose]: () => agent.destroy() }
}

/** Which process answered, as its observer stamped it. */
export interface Server {
  readonly role: 'single' | 'primary' | 'worker'
  /** `cluster.worker.id`, 0 where there is none. */
  readonly worker: number
  readonly pid: number
  readonly run: string
}

export interface Answer {
  readonly ok: true
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** Names and values in turns, as they came. */
  readonly rawHeaders: readonly string[]
  readonly text: string
  readonly servedBy: Server | undefined
  /** From the first byte sent to the last received, milliseconds on the patient clock. */
  readonly ms: number
}

/** No answer: `ECONNREFUSED`, `ECONNRESET`, `timeout`, `endless` (more than `LARGEST_BODY`), … */
export interface NoAnswer {
  readonly ok: false
  readonly code: string
  readonly ms: number
  /** The status, where the head had come before the end. */
  readonly head?: number
}

/** A page of these lessons has some 100 KB. More than this is not kept. */
export const LARGEST_BODY = 16 * 1024 ** 2

/** Sends one request. Never rejects. */
export function fetchFrom(
  port: number,
  path: string,
  options: RequestOptions = {},
): Promise<Answer | NoAnswer> {
  const { method = 'GET', headers = {}, body, agent, within = 10_000 } = options
  const start = patientNow()
  return new Promise((resolve) => {
    const request = httpRequest({ host: '127.0.0.1', port, path, method, headers, agent: agent ?? false })
    let over = false
    let head: number | undefined
    const finish = (result: Answer | NoAnswer): void => {
      over = true
      resolve(result)
    }
    const fail = (code: string): void =>
      finish({ ok: false, code, ms: patientNow() - start, ...(head !== undefined && { head }) })
    request.on('error', (error: NodeJS.ErrnoException) => fail(error.code ?? error.message))
    request.on('response', (response) => {
      const chunks: Buffer[] = []
      let bytes = 0
      head = response.statusCode ?? 0
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        bytes += chunk.length
        if (bytes <= LARGEST_BODY) return
        fail('endless')
        chunks.splice(0)
        request.destroy()
      })
      response.on('error', ({ code, message }: NodeJS.ErrnoException) => fail(code ?? message))
      response.on('end', () => {
        finish({
          ok: true,
          status: response.statusCode ?? 0,
          headers: response.headers,
          rawHeaders: response.rawHeaders,
          text: Buffer.concat(chunks).toString('utf8'),
          servedBy: serverOf(response.headers),
          ms: patientNow() - start,
        })
      })
    })
    void until(() => (over ? true : undefined), { within }).then((ended) => {
      if (ended !== undefined) return
      fail('timeout')
      request.destroy()
    })
    request.end(body)
  })
}

/** Which process answered, from the stamps in the answer's head. */
export function serverOf(headers: IncomingHttpHeaders): Server | undefined {
  for (const role of ['worker', 'primary', 'single'] as const) {
    const stamp = headers[`x-every-core-${role}`]
    if (typeof stamp !== 'string') continue
    const [run = '', worker = '0', pid = '0'] = stamp.split(' ')
    return { role, worker: Number(worker), pid: Number(pid), run }
  }
  return undefined
}

/** The answer's JSON object, or undefined where it is none. */
export function jsonOf(answer: Answer): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(answer.text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}

/** An answer in a few words, for messages. */
export function describeAnswer(answer: Answer | NoAnswer): string {
  if (!answer.ok) return describeFailure(answer)
  const text = answer.text.length > 160 ? `${answer.text.slice(0, 160)}…` : answer.text
  return `${answer.status} ${text.replaceAll(/\s+/g, ' ').trim()}`.trim()
}

/** Why no answer came, or none that was whole. */
export function describeFailure({ code, head }: Pick<NoAnswer, 'code' | 'head'>): string {
  if (code === 'HPE_HEADER_OVERFLOW') return `a head of more than 16 KiB (${code})`
  if (code === 'HPE_CLOSED_CONNECTION') return `an answer longer than its content-length (${code})`
  if (code.startsWith('HPE_')) return `an answer that is no HTTP (${code})`
  switch (code) {
    case 'ECONNREFUSED':
      return 'no connection (ECONNREFUSED: nothing listens there)'
    case 'ECONNRESET':
      return 'a connection cut before the answer was whole (ECONNRESET)'
    case 'timeout':
      return head === undefined ? 'no answer in time' : 'an answer that began and did not end in time'
    case 'endless':
      return `an answer without end: more than ${LARGEST_BODY / 1024 ** 2} MiB`
    default:
      return `no answer (${code})`
  }
}

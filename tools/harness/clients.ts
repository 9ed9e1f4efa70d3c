/** Clients that a plain request is not enough for: ones that send or read in pieces, go away, or ask without end. */

import { request as httpRequest, type Agent, type ClientRequest, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { probeNode } from './cut-by-node.ts'
import { fetchFrom, serverOf, type Answer, type NoAnswer, type RequestOptions, type Server } from './http.ts'
import { pause, patientNow, until } from './patience.ts'

/** The head of an answer, before its body. */
export interface Head {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly rawHeaders: readonly string[]
  readonly servedBy: Server | undefined
}

/** A request under way. Disposal goes away: the connection is cut. */
export class OpenRequest implements Disposable {
  readonly #request: ClientRequest
  #head: Head | undefined
  #text = ''
  #bytes = 0
  #over = false
  #failure: string | undefined

  constructor(
    port: number,
    path: string,
    options: {
      readonly method?: string
      readonly headers?: Readonly<Record<string, string>>
      readonly agent?: Agent
    },
  ) {
    const { method = 'GET', headers = {}, agent } = options
    this.#request = httpRequest({ host: '127.0.0.1', port, path, method, headers, agent: agent ?? false })
    const fail = (error: NodeJS.ErrnoException): void => {
      if (!this.#over) this.#failure ??= error.code ?? error.message
    }
    this.#request.on('error', fail)
    this.#request.on('response', (response) => {
      const { statusCode: status = 0, headers: fields, rawHeaders } = response
      this.#head = { status, headers: fields, rawHeaders, servedBy: serverOf(fields) }
      response.setEncoding('utf8')
      response.on('data', (text: string) => {
        this.#text += text
        this.#bytes += Buffer.byteLength(text)
      })
      response.on('error', fail)
      response.on('end', () => (this.#over = true))
    })
    this.#request.flushHeaders()
  }

  /** Sends a piece of the body. */
  write(piece: string | Buffer): void {
    this.#request.write(piece)
  }

  /** Sends the rest of the body, if any, and its end. */
  end(piece?: string | Buffer): this {
    this.#request.end(piece)
    return this
  }

  /** Up to now; undefined before the head has come. */
  get head(): Head | undefined {
    return this.#head
  }

  get text(): string {
    return this.#text
  }

  /** Of the answer's body, up to now. */
  get bytes(): number {
    return this.#bytes
  }

  /** Whether the answer has come whole. */
  get over(): boolean {
    return this.#over
  }

  /** The code of what went wrong, if anything did: ECONNRESET, … */
  get failure(): string | undefined {
    return this.#failure
  }

  /** Waits for the head, or for the failure that comes instead; undefined when the time is over. */
  async untilHead(within = 10_000): Promise<Head | undefined> {
    await until(() => this.#head !== undefined || this.#failure !== undefined || undefined, { within })
    return this.#head
  }

  /** Waits until the answer is whole or has failed; false when neither happened in time. */
  async untilOver(within = 10_000): Promise<boolean> {
    return (await until(() => this.#over || this.#failure !== undefined || undefined, { within })) === true
  }

  /** Goes away at once, in the middle of whatever it was. */
  [Symbol.dispose](): void {
    this.#request.destroy()
  }
}

export function openRequest(
  port: number,
  path: string,
  options: {
    readonly method?: string
    readonly headers?: Readonly<Record<string, string>>
    readonly agent?: Agent
  } = {},
): OpenRequest {
  return new OpenRequest(port, path, options)
}

/** A bare TCP client, for what an HTTP client would not send. */
export interface RawClient extends Disposable {
  send(text: string | Buffer): void
  /** What came up to now. */
  readonly received: string
  /** Whether the other end has closed or reset the connection. */
  readonly closed: boolean
  /** The code of the error that ended it, if one did. */
  readonly failure: string | undefined
}

/** Resolves when it is connected, or has failed to. */
export async function openRaw(port: number, host = '127.0.0.1'): Promise<RawClient> {
  const socket = connect(port, host).setNoDelay(true)
  let received = ''
  let closed = false
  let connected = false
  let failure: string | undefined
  socket.on('connect', () => (connected = true))
  socket.on('data', (bytes: Buffer) => (received += bytes.toString('latin1')))
  socket.on('end', () => (closed = true))
  socket.on('close', () => (closed = true))
  socket.on('error', (error: NodeJS.ErrnoException) => (failure = error.code ?? error.message))
  await until(() => connected || closed || undefined, { within: 10_000 })
  return {
    send: (text) => void socket.write(text),
    get received() {
      return received
    },
    get closed() {
      return closed
    },
    get failure() {
      return failure
    },
    [Symbol.dispose]: () => void socket.destroy(),
  }
}

export type Asked = (Answer | NoAnswer) & {
  readonly path: string
  /** On the patient clock. */
  readonly sentAt: number
  readonly endedAt: number
  /** When it ended, in milliseconds since the epoch, as in events. */
  readonly at: number
  /** How long this process could not run meanwhile, ms. */
  readonly stalledMs: number
}

/** Clients that ask one after another until stopped. */
export interface Asking {
  /** All results up to now, in the order of their ends. */
  readonly results: readonly Asked[]
  /** Stops asking, waits for the requests under way, and resolves to all results. */
  stop(): Promise<readonly Asked[]>
}

/**
 * So many clients ask for `path`, each one request at a time, over a fresh connection each unless an agent is given.
 * A client pauses a moment after a failure, so that a program that is gone is not stormed.
 */
export function keepAsking(
  port: number,
  path: string | (() => string),
  options: RequestOptions & { readonly clients?: number; readonly pauseMs?: number } = {},
): Asking {
  probeNode()
  const { clients = 1, pauseMs = 0, ...request } = options
  const results: Asked[] = []
  let over = false
  const client = async (): Promise<void> => {
    while (!over) {
      const sentAt = patientNow()
      const began = performance.now()
      const asked = typeof path === 'string' ? path : path()
      const answer = await fetchFrom(port, asked, request)
      const endedAt = patientNow()
      const stalledMs = performance.now() - began - (endedAt - sentAt)
      const at = performance.timeOrigin + performance.now()
      results.push({ ...answer, path: asked, sentAt, endedAt, at, stalledMs })
      const rest = answer.ok ? pauseMs : Math.max(pauseMs, 20)
      if (rest > 0 && !over) await pause(rest)
    }
  }
  const all = Promise.all(Array.from({ length: clients }, client))
  return {
    results,
    async stop() {
      over = true
      await all
      return results
    },
  }
}

/** So long a client may keep a connection that it has opened waiting for its request. */
const MOST_STALLED_MS = 250

/**
 * A connection that was reset, and says nothing about a program that drains. Either this process stood still between
 * the connect and the answer: a client that says nothing may be cut. Or the answer had begun: `server.close()`, which
 * every worker's `disconnect()` calls, takes a connection for idle when its answer has ended, and destroys it with
 * what the kernel has not taken yet (`closeIdleConnections` in Node's lib/_http_server.js looks at `finished`, which
 * `end()` sets). A program that cuts its clients cuts those that have no head yet as well.
 */
export function tellsNothing(result: (Answer | NoAnswer) & { readonly stalledMs?: number }): boolean {
  if (result.ok || result.code !== 'ECONNRESET' || result.stalledMs === undefined) return false
  return result.stalledMs > MOST_STALLED_MS || result.head === 200
}

/** How many failed, by cause: `2 × ECONNRESET, 1 × status 503`; empty where all were answered with this status. */
export function describeFailures(
  results: readonly ((Answer | NoAnswer) & { readonly stalledMs?: number })[],
  status = 200,
): string {
  const causes = new Map<string, number>()
  for (const result of results) {
    if ((result.ok && result.status === status) || tellsNothing(result)) continue
    const cause = result.ok ? `status ${result.status}` : result.code
    causes.set(cause, (causes.get(cause) ?? 0) + 1)
  }
  return [...causes].map(([cause, count]) => `${count} × ${cause}`).join(', ')
}

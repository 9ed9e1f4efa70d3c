// caught by: signatures are right, from every worker
// A text decoder takes a byte order mark away.

import cluster, { type Worker } from 'node:cluster'
import { createHash, createHmac, createSecretKey, timingSafeEqual, type KeyObject } from 'node:crypto'
import { createServer, STATUS_CODES, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { availableParallelism } from 'node:os'
import { performance } from 'node:perf_hooks'
import { setImmediate as yieldToLoop } from 'node:timers/promises'
import { countWords, renderHandbook } from '#handbook'

/* =============================================================== constants */

const BYTES = { echo: 65_536, sign: 4_096 } as const
const MS = {
  headers: 5_000,
  headersAtMost: 7_000,
  request: 45_000,
  looks: 500,
  gather: 1_500,
  signature: 2_500,
  pause: 150,
} as const
const PAGES_OF_A_REPORT = 40
const SECRETS = ['SIGNING_KEY', 'ADMIN_TOKEN'] as const

/* ================================================================ settings */

function numberFrom(name: string, standard: number): number {
  const text = process.env[name]
  if (text === undefined || text === '') return standard
  const number = Number(text)
  if (!Number.isInteger(number) || number < 0 || number > 65_535)
    throw new Error(`${name} should be a number, not ${JSON.stringify(text)}`)
  return number
}

const settings = Object.freeze({
  port: numberFrom('PORT', 8000),
  adminPort: numberFrom('ADMIN_PORT', 9000),
  workers: numberFrom('WORKERS', availableParallelism()),
})

/* ================================================================ messages */

interface Numbers {
  readonly requests: number
  readonly utilization: number
  readonly resident: number
}

type Ask =
  | { readonly kind: 'sign'; readonly id: number; readonly text: string }
  | { readonly kind: 'numbers'; readonly id: number; readonly numbers: Numbers }
type Tell =
  | { readonly kind: 'signature'; readonly id: number; readonly signature: string }
  | { readonly kind: 'measure'; readonly id: number }

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

/** What a worker says, or undefined for whatever it may not say. Never throws. */
function parseAsk(value: unknown): Ask | undefined {
  try {
    if (!isRecord(value) || !isCount(value.id)) return undefined
    const { kind, id } = value
    if (kind === 'sign') {
      const { text } = value
      if (
        typeof text !== 'string' ||
        text.length > BYTES.sign ||
        Buffer.byteLength(text, 'utf8') > BYTES.sign
      )
        return undefined
      return { kind, id, text }
    }
    if (kind === 'numbers' && isRecord(value.numbers)) {
      const { requests, utilization, resident } = value.numbers
      if (!isCount(requests) || !isCount(resident)) return undefined
      if (typeof utilization !== 'number' || !(utilization >= 0 && utilization <= 1)) return undefined
      return { kind, id, numbers: { requests, utilization, resident } }
    }
    return undefined
  } catch {
    return undefined
  }
}

/** What the primary says. */
function parseTell(value: unknown): Tell | undefined {
  if (!isRecord(value) || !isCount(value.id)) return undefined
  const { kind, id, signature } = value
  if (kind === 'measure') return { kind, id }
  if (kind === 'signature' && typeof signature === 'string') return { kind, id, signature }
  return undefined
}

/* ================================================================= primary */

class Primary {
  readonly #key: KeyObject | undefined
  readonly #token: string | undefined
  readonly #listening = new Set<number>()
  readonly #gatherings = new Map<number, Gathering>()
  #current: Promise<Map<number, Numbers>> | undefined
  #lastId = 0
  #ready = false

  constructor() {
    const [key, token] = SECRETS.map((name) => {
      const value = process.env[name]
      delete process.env[name]
      return value
    })
    this.#key = key ? createSecretKey(Buffer.from(key, 'utf8')) : undefined
    this.#token = token || undefined
  }

  start(): void {
    cluster.on('listening', (worker) => this.#onListening(worker))
    cluster.on('message', (worker, message: unknown) => this.#onMessage(worker, parseAsk(message)))
    cluster.on('exit', (worker) => this.#onExit(worker))
    if (!this.#key) console.error('There is no SIGNING_KEY: POST /sign answers 503')
    if (this.#token) this.#serveAdmin(this.#token)
    else console.error('There is no ADMIN_TOKEN: no admin interface is opened')
    for (let number = 1; number <= settings.workers; number++) this.#fork()
  }

  #fork(): void {
    for (const name of SECRETS) if (name in process.env) throw new Error('a secret came back')
    const worker = cluster.fork()
    worker.on('error', () => {})
  }

  #onListening(worker: Worker): void {
    this.#listening.add(worker.id)
    if (this.#ready || this.#listening.size < settings.workers) return
    this.#ready = true
    console.log(`ready: ${settings.workers} workers on port ${settings.port}`)
  }

  #onExit(worker: Worker): void {
    this.#listening.delete(worker.id)
    for (const gathering of this.#gatherings.values()) gathering.dies(worker.id)
    setTimeout(() => this.#fork(), MS.pause)
  }

  #onMessage(worker: Worker, ask: Ask | undefined): void {
    if (!ask) return
    if (ask.kind === 'numbers') return this.#gatherings.get(ask.id)?.tells(worker.id, ask.numbers)
    if (!this.#key) return
    const signature = createHmac('sha256', this.#key).update(ask.text, 'utf8').digest('hex')
    this.#tell(worker, { kind: 'signature', id: ask.id, signature })
  }

  #tell(worker: Worker, message: Tell): void {
    if (!worker.isConnected()) return
    worker.send(message, () => {})
  }

  /** Scrapes that come while one is under way get its numbers. */
  #gather(): Promise<Map<number, Numbers>> {
    this.#current ??= this.#ask().finally(() => (this.#current = undefined))
    return this.#current
  }

  async #ask(): Promise<Map<number, Numbers>> {
    const id = ++this.#lastId
    const workers = Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined)
    const gathering = new Gathering(workers.map((worker) => worker.id))
    this.#gatherings.set(id, gathering)
    for (const worker of workers) this.#tell(worker, { kind: 'measure', id })
    try {
      return await gathering.over
    } finally {
      this.#gatherings.delete(id)
    }
  }

  #serveAdmin(token: string): void {
    const sum = (bytes: Buffer): Buffer => createHash('sha256').update(bytes).digest()
    const right = sum(Buffer.from(`Bearer ${token}`, 'utf8'))
    const server = createServer(
      { headersTimeout: MS.headers, connectionsCheckingInterval: MS.looks },
      (request, response) => {
        this.#answerAdmin(request, response, right, sum).catch(() => {
          if (!response.headersSent) response.writeHead(500)
          response.end()
        })
      },
    )
    server.on('error', (error) => {
      console.error(`The admin interface cannot listen: ${error.message}`)
      process.exit(1)
    })
    server.listen({ port: settings.adminPort, host: '127.0.0.1' })
  }

  async #answerAdmin(
    request: IncomingMessage,
    response: ServerResponse,
    right: Buffer,
    sum: (bytes: Buffer) => Buffer,
  ): Promise<void> {
    request.resume()
    response.on('error', () => {})
    const given = sum(Buffer.from(request.headers.authorization ?? '', 'latin1'))
    if (!timingSafeEqual(given, right)) {
      response
        .writeHead(401, { 'WWW-Authenticate': 'Bearer realm="admin", charset="UTF-8"', 'Content-Length': 0 })
        .end()
      return
    }
    const path = (request.url ?? '').split('?', 1)[0]
    if (path !== '/metrics') {
      response.writeHead(404).end()
      return
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405, { Allow: 'GET, HEAD' }).end()
      return
    }
    const numbers = await this.#gather()
    response.writeHead(200, {
      'Content-Type': 'text/plain; version=0.0.4; charset=utf-8',
      'Cache-Control': 'no-store',
    })
    response.end(textOf(numbers))
  }
}

/** One question to all workers: over when all have told or died, or when the time is up. */
class Gathering {
  readonly over: Promise<Map<number, Numbers>>
  readonly #told = new Map<number, Numbers>()
  readonly #awaited: Set<number>
  #finish: () => void = () => {}

  constructor(workers: readonly number[]) {
    this.#awaited = new Set(workers)
    this.over = new Promise((resolve) => {
      const deadline = setTimeout(() => resolve(this.#told), MS.gather)
      this.#finish = () => {
        clearTimeout(deadline)
        resolve(this.#told)
      }
    })
    if (this.#awaited.size === 0) this.#finish()
  }

  tells(worker: number, numbers: Numbers): void {
    if (!this.#awaited.has(worker)) return
    this.#told.set(worker, numbers)
    this.dies(worker)
  }

  dies(worker: number): void {
    this.#awaited.delete(worker)
    if (this.#awaited.size === 0) this.#finish()
  }
}

function textOf(numbers: ReadonlyMap<number, Numbers>): string {
  const metric = (
    name: string,
    type: 'counter' | 'gauge',
    help: string,
    of: (one: Numbers) => number,
  ): string => {
    const samples = [...numbers].map(([worker, one]) => `${name}{worker="${worker}"} ${of(one)}\n`)
    return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${samples.join('')}`
  }
  return [
    metric('http_requests_total', 'counter', 'Requests that reached the listener.', (one) => one.requests),
    metric(
      'event_loop_utilization',
      'gauge',
      'Part of the time since the last scrape.',
      (one) => one.utilization,
    ),
    metric('process_resident_memory_bytes', 'gauge', 'Resident memory.', (one) => one.resident),
  ].join('\n')
}

/* ================================================================== worker */

const utf8 = new TextDecoder('utf-8')

class TooLarge extends Error {}
class Gone extends Error {}

/** Places for reports: one works, one waits. */
class Places {
  #working: symbol | undefined
  #waiting: { who: symbol; start: () => void } | undefined

  /** Resolves when it is its turn. Undefined when there is no place. */
  enter(who: symbol): Promise<void> | undefined {
    if (this.#working === undefined) {
      this.#working = who
      return Promise.resolve()
    }
    if (this.#waiting !== undefined) return undefined
    return new Promise((start) => (this.#waiting = { who, start }))
  }

  /** As often as you like: who has no place any more leaves none. */
  leave(who: symbol): void {
    if (this.#waiting?.who === who) {
      this.#waiting = undefined
    } else if (this.#working === who) {
      const next = this.#waiting
      this.#waiting = undefined
      this.#working = next?.who
      next?.start()
    }
  }

  works(who: symbol): boolean {
    return this.#working === who
  }
}

class Service {
  readonly #server: Server
  readonly #places = new Places()
  readonly #signatures = new Map<number, (signature: string | undefined) => void>()
  #requests = 0
  #lastId = 0
  #lastUtilization = performance.eventLoopUtilization()

  constructor() {
    this.#server = createServer(
      {
        headersTimeout: MS.headers,
        requestTimeout: MS.request,
        connectionsCheckingInterval: MS.looks,
        keepAliveTimeout: 5_000,
      },
      (request, response) => {
        this.#requests += 1
        request.on('error', () => {})
        response.on('error', () => {})
        this.#route(request, response).catch((error: unknown) => this.#fail(response, error))
      },
    )
    this.#server.on('connection', (socket) => this.#watch(socket))
    this.#server.on('error', (error) => {
      console.error(error.message)
      process.exit(1)
    })
  }

  start(): void {
    process.on('message', (message) => {
      const tell = parseTell(message)
      if (tell?.kind === 'signature') this.#signatures.get(tell.id)?.(tell.signature)
      if (tell?.kind === 'measure') this.#ask({ kind: 'numbers', id: tell.id, numbers: this.#measure() })
    })
    this.#server.listen(settings.port)
  }

  /** Should Node's own time-out not come. */
  #watch(socket: Socket): void {
    const dog = setTimeout(() => socket.destroy(), MS.headersAtMost)
    const calm = (request: IncomingMessage): void => {
      if (request.socket !== socket) return
      clearTimeout(dog)
      this.#server.off('request', calm)
    }
    this.#server.setMaxListeners(0)
    this.#server.on('request', calm)
    socket.once('close', () => {
      clearTimeout(dog)
      this.#server.off('request', calm)
    })
  }

  #measure(): Numbers {
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, this.#lastUtilization)
    this.#lastUtilization = now
    return {
      requests: this.#requests,
      utilization: Number.isFinite(utilization) ? Math.min(Math.max(utilization, 0), 1) : 0,
      resident: process.memoryUsage.rss(),
    }
  }

  #ask(ask: Ask): void {
    if (process.connected) process.send?.(ask, undefined, undefined, () => {})
  }

  #fail(response: ServerResponse, error: unknown): void {
    if (error instanceof Gone) return
    if (error instanceof TooLarge) {
      if (response.headersSent) response.destroy()
      else this.#send(response.setHeader('Connection', 'close'), 413)
      return
    }
    console.error(error)
    if (response.headersSent) response.destroy()
    else this.#send(response, 500)
  }

  async #route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const target = request.url ?? '/'
    const mark = target.indexOf('?')
    const path = mark === -1 ? target : target.slice(0, mark)
    const query = new URLSearchParams(mark === -1 ? '' : target.slice(mark + 1))
    const methods =
      path === '/sign' || path === '/echo'
        ? ['POST']
        : ['/', '/render', '/report'].includes(path)
          ? ['GET', 'HEAD']
          : undefined
    if (!methods) return this.#send(response, 404)
    if (!methods.includes(request.method ?? ''))
      return this.#send(response.setHeader('Allow', methods.join(', ')), 405)

    switch (path) {
      case '/render':
        return this.#send(
          response,
          200,
          'text/html; charset=utf-8',
          renderHandbook(query.get('visitor') ?? 'stranger'),
        )
      case '/report':
        return await this.#report(request, response)
      case '/echo':
        return this.#send(response, 200, 'application/octet-stream', await this.#body(request, BYTES.echo))
      case '/sign':
        return await this.#sign(request, response)
      default:
        return this.#json(response, { pid: process.pid, worker: cluster.worker?.id })
    }
  }

  async #report(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const who = Symbol('report')
    const turn = this.#places.enter(who)
    if (!turn) return this.#send(response.setHeader('Retry-After', 1), 503)
    request.once('close', () => this.#places.leave(who))
    request.socket.once('close', () => this.#places.leave(who))
    try {
      await turn
      let words = 0
      for (let page = 0; page < PAGES_OF_A_REPORT; page++) {
        words += countWords(renderHandbook('report'))
        await yieldToLoop()
        if (!this.#places.works(who)) throw new Gone()
      }
      this.#json(response, { words })
    } finally {
      this.#places.leave(who)
    }
  }

  async #sign(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await this.#body(request, BYTES.sign)
    const id = ++this.#lastId
    const signature = await new Promise<string | undefined>((resolve) => {
      const late = setTimeout(resolve, MS.signature, undefined)
      this.#signatures.set(id, (text) => {
        clearTimeout(late)
        resolve(text)
      })
      this.#ask({ kind: 'sign', id, text: utf8.decode(body) })
    })
    this.#signatures.delete(id)
    if (signature === undefined || !/^[0-9a-f]{64}$/.test(signature))
      return this.#send(response.setHeader('Retry-After', 1), 503)
    return this.#json(response, { signature })
  }

  #body(request: IncomingMessage, most: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const announced = Number(request.headers['content-length'] ?? 0)
      if (!(announced <= most)) return reject(new TooLarge())
      const parts: Buffer[] = []
      let length = 0
      request.on('data', (part: Buffer) => {
        length += part.length
        if (length > most) {
          parts.length = 0
          reject(new TooLarge())
        } else {
          parts.push(part)
        }
      })
      request.once('end', () => resolve(Buffer.concat(parts, length)))
      request.once('close', () => reject(new Gone()))
    })
  }

  #json(response: ServerResponse, body: object): void {
    this.#send(response, 200, 'application/json', JSON.stringify(body))
  }

  #send(
    response: ServerResponse,
    status: number,
    type = 'text/plain; charset=utf-8',
    body: string | Buffer = `${STATUS_CODES[status]}\n`,
  ): void {
    if (response.headersSent || response.destroyed) return
    response.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) })
    response.end(body)
  }
}

/* =================================================================== start */

if (cluster.isPrimary) {
  new Primary().start()
} else {
  for (const name of SECRETS) {
    if (!(name in process.env)) continue
    console.error(`A worker must not be given ${name}`)
    process.exit(1)
  }
  new Service().start()
}

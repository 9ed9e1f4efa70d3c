// right: classes, undici with a pool for each worker, a ring of hashes, Unix sockets that the primary names

import cluster, { type Worker } from 'node:cluster'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { Pool, type Dispatcher } from 'undici'
import { renderHandbook } from '#handbook'

const POINTS_OF_A_PLACE = 160
const NOT_PASSED_ON =
  /^(connection|keep-alive|proxy-connection|te|trailer|transfer-encoding|upgrade|expect)$/i

class Place {
  readonly name: string
  readonly #folder: string
  worker: Worker | undefined
  pool: Pool | undefined
  bornAt = new Date()
  load = 0
  #generation = 0

  constructor(name: string, folder: string) {
    this.name = name
    this.#folder = folder
  }

  get open(): boolean {
    return this.pool !== undefined
  }

  fill(changed: () => void): void {
    this.#generation += 1
    const socketPath = join(this.#folder, `${this.name}-${this.#generation}`)
    const worker = cluster.fork({ SOCKET: socketPath })
    this.worker = worker
    this.bornAt = new Date()
    worker.on('message', (text) => {
      if (text !== 'open' || this.worker !== worker) return
      this.load = 0
      this.pool = new Pool('http://worker', {
        socketPath,
        connections: 256,
        bodyTimeout: 0,
        headersTimeout: 0,
      })
      changed()
    })
    worker.once('exit', () => {
      const served = this.open
      void this.pool?.destroy().catch(() => {})
      this.pool = undefined
      this.worker = undefined
      setTimeout(() => this.fill(changed), served ? 10 : 500)
    })
  }

  describe(): object {
    return {
      startedAt: this.bornAt.toISOString(),
      state: this.open ? 'listening' : 'starting',
      pid: this.worker?.process.pid,
      id: this.worker?.id,
    }
  }
}

/** Points of places on a circle; a user belongs to the first open place at or after its own point. */
class Ring {
  readonly #points: readonly (readonly [number, Place])[]

  constructor(places: readonly Place[]) {
    this.#points = places
      .flatMap((place) =>
        Array.from(
          { length: POINTS_OF_A_PLACE },
          (_, nth) => [Ring.#at(`${place.name}#${nth}`), place] as const,
        ),
      )
      .toSorted(([a], [b]) => a - b)
  }

  static #at(text: string): number {
    return createHash('md5').update(text).digest().readUInt32LE(4)
  }

  find(user: string, except: Place | undefined): Place | undefined {
    const at = Ring.#at(user)
    const start = this.#points.findIndex(([point]) => point >= at)
    const turned = [...this.#points.slice(start), ...this.#points.slice(0, Math.max(start, 0))]
    return turned.find(([, place]) => place.open && place !== except)?.[1]
  }
}

class Balancer {
  readonly #places: readonly Place[]
  readonly #ring: Ring

  constructor(places: readonly Place[]) {
    this.#places = places
    this.#ring = new Ring(places)
  }

  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController()
    const leave = (): void => gone.abort()
    response.once('close', leave)
    let tried: Place | undefined
    for (const last of [false, true]) {
      const place = this.#choose(request, tried)
      if (place?.pool === undefined) return this.#fail(response, 503)
      const { pool } = place
      place.load += 1
      try {
        const answer = await pool.request(this.#order(request, gone.signal))
        await this.#pass(answer, response)
        return
      } catch {
        if (gone.signal.aborted || response.destroyed) return
        if (response.headersSent) return void response.destroy()
        if (last || !this.#mayBeRepeated(request)) {
          request.resume()
          return this.#fail(response, 502)
        }
        tried = place
      } finally {
        if (place.pool === pool) place.load -= 1
      }
    }
  }

  #choose(request: IncomingMessage, except: Place | undefined): Place | undefined {
    const user = request.headers['x-user']
    if (user !== undefined) return this.#ring.find(String(user), except)
    const open = this.#places.filter((place) => place.open && place !== except)
    const least = Math.min(...open.map(({ load }) => load))
    const idlest = open.filter(({ load }) => load === least)
    return idlest[Math.floor(Math.random() * idlest.length)]
  }

  #order(request: IncomingMessage, signal: AbortSignal): Dispatcher.RequestOptions {
    const { rawHeaders, socket } = request
    const dropped = (request.headers.connection ?? '').split(',').map((name) => name.trim().toLowerCase())
    const headers: string[] = []
    for (let at = 0; at < rawHeaders.length; at += 2) {
      const [name = '', value = ''] = rawHeaders.slice(at, at + 2)
      if (!NOT_PASSED_ON.test(name) && !dropped.includes(name.toLowerCase())) headers.push(name, value)
    }
    // A line of its own at the end means the same as a longer line.
    headers.push('X-Forwarded-For', (socket.remoteAddress ?? '').replace('::ffff:', ''))
    return {
      path: request.url ?? '/',
      method: request.method ?? 'GET',
      headers,
      body: this.#hasBody(request) ? request : null,
      signal,
    }
  }

  async #pass(answer: Dispatcher.ResponseData, response: ServerResponse): Promise<void> {
    const { statusCode, headers, body } = answer
    const named = [headers['connection'] ?? '']
      .flat()
      .join(',')
      .toLowerCase()
      .split(/\s*,\s*/)
    for (const [name, value] of Object.entries(headers)) {
      if (value === undefined || NOT_PASSED_ON.test(name) || named.includes(name)) continue
      response.setHeader(name, value)
    }
    response.writeHead(statusCode)
    response.flushHeaders()
    for await (const piece of body) {
      if (response.write(piece)) continue
      await new Promise<void>((resolve) => {
        response.once('drain', resolve)
        response.once('close', resolve)
      })
    }
    const over = new Promise<void>((resolve) => response.once('close', resolve))
    response.end()
    await over
  }

  #hasBody({ headers }: IncomingMessage): boolean {
    return 'transfer-encoding' in headers || Number(headers['content-length'] ?? 0) !== 0
  }

  #mayBeRepeated(request: IncomingMessage): boolean {
    return !/^(POST|PATCH|CONNECT)$/.test(request.method ?? '') && !this.#hasBody(request)
  }

  #fail(response: ServerResponse, status: number): void {
    response.writeHead(status, { 'retry-after': '2', 'content-type': 'text/plain' }).end('try again\n')
  }
}

if (cluster.isPrimary) {
  const count = Number(process.env.WORKERS || availableParallelism())
  const port = process.env.PORT || 8000
  const folder = mkdtempSync(join(tmpdir(), 'balancer-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  process.on('SIGTERM', () => process.exit())
  const places = Array.from({ length: count }, (_, index) => new Place(`place-${index}`, folder))
  const balancer = new Balancer(places)
  const front = createServer((request, response) => balancer.serve(request, response))
  for (const place of places) {
    place.fill(() => {
      if (front.listening || !places.every(({ open }) => open)) return
      front.listen(Number(port), '127.0.0.1', () => console.log(`ready: ${count} workers on port ${port}`))
    })
  }
  createServer((request, response) => {
    if (request.url !== '/workers') return response.writeHead(404).end()
    const list = places.filter(({ worker }) => worker !== undefined).map((place) => place.describe())
    return response.end(JSON.stringify(list))
  }).listen(Number(process.env.ADMIN_PORT || 9000), 'localhost')
} else {
  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    const url = request.url ?? ''
    const query = new URLSearchParams(url.split('?')[1] ?? '')
    const get = request.method === 'GET' || request.method === 'HEAD'
    switch (url.split('?')[0]) {
      case '/': {
        if (!get) return response.writeHead(405).end()
        const user = request.headers['x-user'] ?? null
        return response.end(JSON.stringify({ user, worker: cluster.worker?.id, pid: process.pid }))
      }
      case '/render': {
        if (!get) return response.writeHead(405).end()
        response.setHeader('content-type', 'text/html; charset=utf-8')
        return response.end(renderHandbook(query.get('visitor') ?? ''))
      }
      case '/report': {
        if (!get) return response.writeHead(405).end()
        for (const end = Date.now() + 300; Date.now() < end;);
        return response.end('{}')
      }
      case '/slow':
        if (!get) return response.writeHead(405).end()
        return setTimeout(() => response.end('{}'), Number(query.get('ms')))
      case '/echo':
        if (request.method !== 'POST') return response.writeHead(405).end()
        return request.pipe(response)
      default:
        return response.writeHead(404).end()
    }
  })
  server.listen({ path: process.env['SOCKET'], exclusive: true }, () => process.send?.('open'))
}

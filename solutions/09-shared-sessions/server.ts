/** Lesson 9 · sessions that every worker knows, and that outlive each of them. */

import cluster from 'node:cluster'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { availableParallelism } from 'node:os'
import { renderHandbook } from '#handbook'
import { keepClean, openStore, storeName, type SessionStore } from './store.ts'

/** What a route gets to know of a request. */
interface Asked {
  readonly query: URLSearchParams
  /** The session id that came with the request; empty where none did. */
  readonly sid: string
  /** The JSON object that came as its body; empty for a GET. */
  readonly body: Readonly<Record<string, unknown>>
}

type Route = (asked: Asked, response: ServerResponse) => void | Promise<void>

const port = Number(process.env.PORT || 8000)

/** How a worker that can never listen ends: EX_UNAVAILABLE of sysexits.h. Node itself uses 1 to 14. */
const cannotListen = 69
/** How one ends that cannot open the store: EX_IOERR. */
const cannotOpenStore = 74
/** How one ends that a native library took down: lmdb does, where its file is none. */
const crashes: readonly (string | null)[] = ['SIGSEGV', 'SIGBUS', 'SIGABRT']

/** What a route throws when the request makes no sense. */
class BadRequest extends Error {}

if (cluster.isPrimary) lead()
else await work()

/** Forks the workers, tells when all of them listen, and replaces those that die. Serves nothing. */
function lead(): void {
  const workers = wantedWorkers()
  if (workers === undefined) {
    console.error(`WORKERS must be a whole number from 1 to 64, not ${JSON.stringify(process.env.WORKERS)}`)
    process.exitCode = 1
    return // nothing was forked, so nothing keeps this process alive
  }

  const listening = new Set<number>()
  let announced = false

  cluster.on('listening', (worker, address) => {
    listening.add(worker.id)
    if (announced || listening.size < workers) return
    announced = true
    console.log(`ready: ${workers} workers on port ${address.port}`)
    keepClean() // the workers have opened the store, so it can be opened
  })

  cluster.on('exit', (worker, code, signal) => {
    const listened = listening.delete(worker.id)
    if (code === cannotListen) return giveUp(`port ${port} is taken, or not ours to use`)
    if (code === cannotOpenStore) return giveUp(`${storeName} cannot be opened`)
    if (!listened && crashes.includes(signal)) return giveUp(`${storeName} cannot be read (${signal})`)
    // One that never listened may never be able to. The pause keeps that from becoming a storm of forks.
    setTimeout(() => cluster.fork(), listened ? 0 : 1000)
  })

  for (let forked = 0; forked < workers; forked++) cluster.fork()
}

/** From 1 to 64; when unset or empty, one per core that this process may use. Undefined for anything else. */
function wantedWorkers(): number | undefined {
  const text = process.env.WORKERS
  if (text === undefined || text === '') return availableParallelism()
  const workers = /^\d+$/.test(text) ? Number(text) : 0
  return workers >= 1 && workers <= 64 ? workers : undefined
}

/** No fork can mend it. Siblings would complain of a listen cut short, so they end first. */
function giveUp(reason: string): never {
  console.error(`no worker can serve: ${reason}`)
  for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill()
  process.exit(1)
}

/** Serves the handbook, and remembers who is logged in. */
async function work(): Promise<void> {
  const store = await openStore().catch((error: unknown) => {
    console.error(`${storeName} cannot be opened:`, error instanceof Error ? error.message : error)
    process.exit(cannotOpenStore)
  })
  const routes = routesWith(store)

  const server = createServer(async (request, response) => {
    const { path, query } = pathAndQuery(request.url ?? '/')
    const [method, route] = routes.get(path) ?? []
    if (method === undefined || route === undefined) return refuse(response, 404)
    if (request.method !== method) return refuse(response, 405, method)
    try {
      const body = method === 'POST' ? await readJson(request) : {}
      await route({ query, sid: sidOf(request), body }, response)
    } catch (error) {
      if (error instanceof BadRequest) return refuse(response, 400)
      // The store did not answer. That says nothing about the session, so it is no 401: the client may try again.
      response.setHeader('retry-after', '1')
      refuse(response, 503)
    }
  })

  // The primary binds the port, but the error arrives here, in the worker that asked for it.
  server.on('error', () => process.exit(cannotListen))
  server.listen(port)
}

function routesWith(
  store: SessionStore,
): ReadonlyMap<string, readonly [method: 'GET' | 'POST', route: Route]> {
  return new Map<string, readonly ['GET' | 'POST', Route]>([
    [
      '/',
      ['GET', (_asked, response) => sendJson(response, { pid: process.pid, worker: cluster.worker?.id })],
    ],
    [
      '/render',
      [
        'GET',
        ({ query }, response) => sendPage(response, renderHandbook(query.get('visitor') ?? 'stranger')),
      ],
    ],
    [
      '/login',
      [
        'POST',
        async ({ body, sid }, response) => {
          const id = await store.create(textOf(body.user), sid)
          response.setHeader('set-cookie', `sid=${id}; Path=/; HttpOnly; SameSite=Lax`)
          response.writeHead(204).end()
        },
      ],
    ],
    [
      '/me',
      [
        'GET',
        async ({ sid }, response) => {
          const visit = await store.visit(sid)
          if (visit === undefined) return refuse(response, 401)
          return sendJson(response, visit)
        },
      ],
    ],
    [
      '/cart',
      [
        'POST',
        async ({ body, sid }, response) => {
          const items = await store.add(sid, textOf(body.item))
          if (items === undefined) return refuse(response, 401)
          return sendJson(response, { items })
        },
      ],
    ],
    [
      '/logout',
      [
        'POST',
        async ({ sid }, response) => {
          await store.remove(sid)
          response.writeHead(204).end()
        },
      ],
    ],
  ])
}

/** The value of the cookie `sid`, whatever other cookies there are. */
function sidOf(request: IncomingMessage): string {
  const cookies = (request.headers.cookie ?? '').split(';').map((cookie) => cookie.trim())
  return cookies.find((cookie) => cookie.startsWith('sid='))?.slice('sid='.length) ?? ''
}

/** A client may send anything, or go away in the middle: both end in a BadRequest. */
async function readJson(request: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
  try {
    let text = ''
    for await (const piece of request.setEncoding('utf8')) {
      text += piece
      if (text.length > 16_384) break
    }
    const value: unknown = text === '' ? {} : JSON.parse(text)
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  } catch {
    // told below
  }
  throw new BadRequest()
}

function textOf(value: unknown): string {
  if (typeof value === 'string' && value !== '') return value
  throw new BadRequest()
}

/** Splits by hand: a request may name `//`, and `new URL('//', base)` throws. */
function pathAndQuery(url: string): { path: string; query: URLSearchParams } {
  const mark = url.indexOf('?')
  if (mark === -1) return { path: url, query: new URLSearchParams() }
  return { path: url.slice(0, mark), query: new URLSearchParams(url.slice(mark + 1)) }
}

function sendJson(response: ServerResponse, body: object): void {
  response.setHeader('cache-control', 'no-store')
  response.setHeader('content-type', 'application/json').end(JSON.stringify(body))
}

function sendPage(response: ServerResponse, html: string): void {
  response.setHeader('content-type', 'text/html; charset=utf-8').end(html)
}

function refuse(response: ServerResponse, status: number, allow?: string): void {
  if (allow !== undefined) response.setHeader('allow', allow)
  response.writeHead(status).end()
}

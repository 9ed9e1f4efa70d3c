/** Lesson 5 · the life of workers. Start it with `npm run lesson 5 run`. */

import cluster from 'node:cluster'
import { createServer, type ServerResponse } from 'node:http'
import { availableParallelism } from 'node:os'
import { renderHandbook } from '#handbook'
import { serveAdmin, type AdminReply } from './admin.ts'

/** Answers a GET of one path. */
type Route = (query: URLSearchParams, response: ServerResponse) => void

const port = Number(process.env.PORT || 8000)
const adminPort = Number(process.env.ADMIN_PORT || 9000)

/** How a worker that can never listen ends: EX_UNAVAILABLE of sysexits.h. Node itself uses 1 to 14. */
const cannotListen = 69

/** A worker that died before it listened may do so again: its place stays empty for so long. */
const restMs = 1000

if (cluster.isPrimary) lead()
else work()

/** Forks the workers and replaces those that die. Serves nothing but the admin. */
function lead(): void {
  const workers = wantedWorkers()
  if (workers === undefined) {
    console.error(`WORKERS must be a whole number from 1 to 64, not ${JSON.stringify(process.env.WORKERS)}`)
    process.exitCode = 1
    return // nothing was forked, so nothing keeps this process alive
  }

  const listening = new Set<number>()
  let announced = false

  // TODO: print one JSON line for each event of a worker's life. Which five are there, and what does each hand you?
  cluster.on('listening', (worker) => {
    listening.add(worker.id)
    if (announced || listening.size < workers) return
    announced = true
    console.log(`ready: ${workers} workers on port ${port}`)
  })

  // TODO: every death is followed by a fork. Which deaths must not be, once workers retire and SIGTERM ends them all?
  cluster.on('exit', (worker, code) => {
    if (code === cannotListen) return giveUp()
    const listened = listening.delete(worker.id)
    setTimeout(() => cluster.fork(), listened ? 0 : restMs)
  })

  // TODO: SIGTERM ends everything within 5 s. Who ends a worker that still drains when its primary has gone?

  serveAdmin(adminPort, {
    'GET /workers': () => ({ status: 200, body: describeWorkers() }),
    'POST /workers/:id/retire': ({ id }) => retire(id),
    'PUT /scale': ({ body }) => scale(body),
  })

  for (let forked = 0; forked < workers; forked++) cluster.fork()

  /** What `GET /workers` answers: for each worker that lives `{ id, pid, state, startedAt }`. */
  function describeWorkers(): readonly object[] {
    // TODO: does `cluster.workers` hold all that live? What of one that was disconnected and still drains?
    return []
  }

  function retire(id: number): AdminReply {
    // TODO: how does a worker finish what it has begun, and go? Who serves meanwhile, and who counts how many live?
    return { status: 501, body: { id } }
  }

  /** `body` is whatever JSON came; undefined if it was none. */
  function scale(body: unknown): AdminReply {
    // TODO: a number of workers that is wanted from now on. What else has to change when it does?
    return { status: 501, body: { body } }
  }
}

/** From 1 to 64; when unset or empty, one per core that this process may use. Undefined for anything else. */
function wantedWorkers(): number | undefined {
  const text = process.env.WORKERS
  if (text === undefined || text === '') return availableParallelism()
  const workers = /^\d+$/.test(text) ? Number(text) : 0
  return workers >= 1 && workers <= 64 ? workers : undefined
}

/** No fork can mend a taken port. Siblings would complain of a listen cut short, so they end first. */
function giveUp(): never {
  console.error(`port ${port} is taken, or not ours to use: no worker can listen on it`)
  for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill()
  process.exit(1)
}

/** Serves the handbook. Every worker runs this on its own, with its own `hits`: no memory is shared. */
function work(): void {
  let hits = 0

  const routes = new Map<string, Route>([
    ['/', (_query, response) => sendJson(response, { ...whoAmI(), hits: ++hits })],
    ['/render', (query, response) => sendPage(response, renderHandbook(query.get('visitor') ?? 'stranger'))],
    ['/slow', (query, response) => sendLater(response, Number(query.get('ms')))],
  ])

  const server = createServer((request, response) => {
    const { path, query } = pathAndQuery(request.url ?? '/')
    const route = routes.get(path)
    if (!route) return refuse(response, 404)
    if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(response, 405)
    return route(query, response)
  })

  // The primary binds the port, but the error arrives here, in the worker that asked for it.
  server.on('error', () => process.exit(cannotListen))

  server.listen(port)
}

function whoAmI(): { role: 'worker'; pid: number; ppid: number; worker: number | undefined } {
  return { role: 'worker', pid: process.pid, ppid: process.ppid, worker: cluster.worker?.id }
}

/** Splits by hand: a request may name `//`, and `new URL('//', base)` throws. */
function pathAndQuery(url: string): { path: string; query: URLSearchParams } {
  const mark = url.indexOf('?')
  if (mark === -1) return { path: url, query: new URLSearchParams() }
  return { path: url.slice(0, mark), query: new URLSearchParams(url.slice(mark + 1)) }
}

function sendJson(response: ServerResponse, body: object): void {
  response.setHeader('content-type', 'application/json').end(JSON.stringify(body))
}

function sendPage(response: ServerResponse, html: string): void {
  response.setHeader('content-type', 'text/html; charset=utf-8').end(html)
}

/** Answers after so many ms, unless the client has gone by then: a timer would keep a drained worker alive. */
function sendLater(response: ServerResponse, ms: number): void {
  const timer = setTimeout(() => sendJson(response, { ...whoAmI(), ms }), Math.min(ms, 2 ** 31 - 1))
  response.on('close', () => clearTimeout(timer))
}

function refuse(response: ServerResponse, status: 404 | 405): void {
  if (status === 405) response.setHeader('allow', 'GET, HEAD')
  response.writeHead(status).end()
}

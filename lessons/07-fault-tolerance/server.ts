/** Lesson 7 · fault tolerance. Start it with `npm run lesson 7 run`. */

import cluster, { type Worker } from 'node:cluster'
import { createServer, type ServerResponse } from 'node:http'
import { availableParallelism } from 'node:os'
import { renderHandbook } from '#handbook'

/** Answers a GET of one path. */
type Route = (query: URLSearchParams, response: ServerResponse) => void

/** A worker from its fork to its exit. */
interface Member {
  readonly worker: Worker
  readonly startedAt: string
  state: 'starting' | 'listening' | 'draining'
}

const port = Number(process.env.PORT || 8000)
const adminPort = Number(process.env.ADMIN_PORT || 9000)

/** How a worker that can never listen ends: EX_UNAVAILABLE of sysexits.h. Node itself uses 1 to 14. */
const cannotListen = 69

/** Every worker that lives. */
const crew = new Map<number, Member>()

if (cluster.isPrimary) lead()
else work()

/** Forks the workers, tells when all of them listen, and replaces those that die. Serves the admin interface only. */
function lead(): void {
  const workers = wantedWorkers()
  if (workers === undefined) {
    console.error(`WORKERS must be a whole number from 1 to 64, not ${JSON.stringify(process.env.WORKERS)}`)
    process.exitCode = 1
    return // nothing was forked, so nothing keeps this process alive
  }

  let announced = false

  cluster.on('listening', (worker, address) => {
    const member = crew.get(worker.id)
    if (member === undefined) return
    member.state = 'listening'
    if (announced || listeningNow() < workers) return
    announced = true
    console.log(`ready: ${workers} workers on port ${address.port}`)
  })

  cluster.on('exit', (worker, code) => {
    const member = crew.get(worker.id)
    crew.delete(worker.id)
    if (code === cannotListen) return giveUp()
    // TODO: what if no worker can start, now or ever? How often is one forked then, and who tells why?
    setTimeout(recruit, member?.state === 'starting' ? 1000 : 100)
  })

  // TODO: SIGTERM and SIGINT end the program. What happens to the requests in flight, to new connections, to idle
  // ones, to those that never end? Who else gets Ctrl-C? What does a second signal do?
  // TODO: SIGHUP renews all workers. Which comes first, the new one or the end of the old one?
  serveAdmin()
  for (let forked = 0; forked < workers; forked++) recruit()
}

/** From 1 to 64; when unset or empty, one per core that this process may use. Undefined for anything else. */
function wantedWorkers(): number | undefined {
  const text = process.env.WORKERS
  if (text === undefined || text === '') return availableParallelism()
  const workers = /^\d+$/.test(text) ? Number(text) : 0
  return workers >= 1 && workers <= 64 ? workers : undefined
}

function recruit(): Member {
  const worker = cluster.fork()
  const member: Member = { worker, startedAt: new Date().toISOString(), state: 'starting' }
  crew.set(worker.id, member)
  return member
}

function listeningNow(): number {
  return [...crew.values()].filter(({ state }) => state === 'listening').length
}

// TODO: let a worker finish what it has begun, for SHUTDOWN_MS at the most (5000 unless set). Who else needs this?
function drain(member: Member): void {
  member.state = 'draining'
  member.worker.process.kill('SIGKILL')
}

/** No fork can mend a taken port. */
function giveUp(): never {
  console.error(`port ${port} is taken, or not ours to use: no worker can listen on it`)
  for (const member of crew.values()) drain(member)
  process.exit(1)
}

function serveAdmin(): void {
  createServer((request, response) => {
    const { method, url } = request
    if (url === '/workers') {
      if (method !== 'GET') return refuse(response, 405)
      const list = [...crew.values()].map(({ worker, state, startedAt }) => {
        return { id: worker.id, pid: worker.process.pid, state, startedAt }
      })
      return sendJson(response, list)
    }
    // TODO: POST /reload does what SIGHUP does. When is it 202, and when 409?
    return refuse(response, 404)
  }).listen(adminPort, '127.0.0.1')
}

/** Serves the handbook. Every worker runs this on its own: no memory is shared. */
function work(): void {
  if (process.env.CRASH_ON_BOOT === '1') throw new Error('CRASH_ON_BOOT is set')

  // TODO: after an exception that nobody caught this worker ends at once. What becomes of its other requests?

  const routes = new Map<string, Route>([
    ['/', (_query, response) => sendJson(response, { pid: process.pid, worker: cluster.worker?.id })],
    ['/render', (query, response) => sendPage(response, renderHandbook(query.get('visitor') ?? 'stranger'))],
    ['/slow', (query, response) => answerSlowly(Number(query.get('ms') ?? 0), response)],
    ['/crash', (_query, response) => crashSoon(response)],
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

function answerSlowly(ms: number, response: ServerResponse): void {
  setTimeout(() => sendJson(response, { waitedMs: ms }), ms)
}

/** The fault of this lesson: an exception that no request can catch. */
function crashSoon(response: ServerResponse): void {
  setTimeout(() => {
    throw new Error('somebody asked for /crash')
  }, 10)
  sendJson(response, { crashing: process.pid })
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

function refuse(response: ServerResponse, status: 404 | 405): void {
  if (status === 405) response.setHeader('allow', 'GET, HEAD')
  response.writeHead(status).end()
}

// caught by: ready is printed once, and a worker that is killed is replaced
// A worker that ends with exit code 0 is taken for one that was told to go.

import cluster, { type Worker } from 'node:cluster'
import { createServer, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { availableParallelism } from 'node:os'
import { renderHandbook } from '#handbook'

/** Answers a GET of one path. */
type Route = (query: URLSearchParams, response: ServerResponse) => void

/** A worker from its fork to its exit. */
interface Member {
  readonly worker: Worker
  readonly startedAt: string
  state: 'starting' | 'listening' | 'draining'
  /** In a reload: the worker whose place it takes once it listens. */
  readonly predecessor: Member | undefined
}

const port = Number(process.env.PORT || 8000)
const adminPort = Number(process.env.ADMIN_PORT || 9000)
/** How long a drain may take, in ms. */
const shutdownMs = Number(process.env.SHUTDOWN_MS || 5000)

/** How a worker that can never listen ends: EX_UNAVAILABLE of sysexits.h. Node itself uses 1 to 14. */
const cannotListen = 69
/** So many workers in a row may die before they listen. */
const bootBudget = 5

/** Every worker that lives, the draining ones too: `worker.disconnect()` takes those out of `cluster.workers`. */
const crew = new Map<number, Member>()
let bootDeaths = 0
let reloading = false
/** Set once, when the program is to end: with which exit code. */
let ending: { code: 0 | 1 } | undefined

if (cluster.isPrimary) lead()
else work()

/** Forks the workers, keeps their number, and ends or renews them when told. Serves the admin interface only. */
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
    if (member?.state !== 'starting') return // told to go before it came so far
    member.state = 'listening'
    bootDeaths = 0
    if (announced || listeningNow() < workers) return
    announced = true
    console.log(`ready: ${workers} workers on port ${address.port}`)
  })

  // A crashed worker says so and goes on with what it has begun. Whatever else comes from a worker is ignored.
  cluster.on('message', (worker, message: unknown) => {
    const member = crew.get(worker.id)
    if (message !== 'crashed' || member === undefined || member.state === 'draining') return
    drain(member)
    setTimeout(refill, pauseBeforeFork(), workers)
  })

  cluster.on('exit', (worker, code, signal) => {
    const member = crew.get(worker.id)
    crew.delete(worker.id)
    if (ending !== undefined) return endWhenAllAreGone()
    // A planned end: it was drained, and whoever drained it has seen to its place.
    if (code === 0 || member?.state === 'draining') return
    if (code === cannotListen)
      return end(1, `port ${port} is taken, or not ours to use: no worker can listen on it`)
    if (member?.state === 'starting' && member.predecessor === undefined) {
      bootDeaths += 1
      const how = signal ?? `exit code ${code}`
      const why = `giving up: ${bootDeaths} workers in a row died before they listened, the last with ${how}`
      if (bootDeaths >= bootBudget) return end(1, why)
    }
    setTimeout(refill, pauseBeforeFork(), workers)
  })

  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => end(0))
  process.on('SIGHUP', () => void reload(workers))
  serveAdmin(workers)
  refill(workers)
}

/** From 1 to 64; when unset or empty, one per core that this process may use. Undefined for anything else. */
function wantedWorkers(): number | undefined {
  const text = process.env.WORKERS
  if (text === undefined || text === '') return availableParallelism()
  const workers = /^\d+$/.test(text) ? Number(text) : 0
  return workers >= 1 && workers <= 64 ? workers : undefined
}

function recruit(predecessor?: Member): Member {
  const worker = cluster.fork()
  // A message to a worker that has just died fails with an `error` event. Its `exit` is all that we need to know.
  worker.on('error', () => {})
  const member: Member = { worker, startedAt: new Date().toISOString(), state: 'starting', predecessor }
  crew.set(worker.id, member)
  return member
}

/** Forks what is missing now. Whatever happened since the call was planned, the number comes out right. */
function refill(workers: number): void {
  while (ending === undefined && staying() < workers) recruit()
}

/** Workers that are there to stay. A replacement whose predecessor still serves does not count twice. */
function staying(): number {
  const stays = (member: Member): boolean => crew.has(member.worker.id) && member.state !== 'draining'
  return [...crew.values()].filter((one) => stays(one) && !(one.predecessor && stays(one.predecessor))).length
}

function listeningNow(): number {
  return [...crew.values()].filter(({ state }) => state === 'listening').length
}

/** Short after a crash of a worker that served; longer and longer while workers die before they listen. */
function pauseBeforeFork(): number {
  return Math.min(100 * 2 ** bootDeaths, 2000)
}

/**
 * Lets a worker finish what it has begun, once: a second `disconnect()` would close its channel in the middle of
 * that. `disconnect()` in the primary also stops handing it connections, so that none gets lost on the way.
 */
function drain(member: Member): void {
  if (member.state === 'draining') return
  member.state = 'draining'
  const { worker } = member
  worker.send('drain', () => {})
  worker.disconnect()
  const deadline = setTimeout(() => {
    if (ending !== undefined) ending.code = 1
    worker.process.kill('SIGKILL') // SIGTERM has a listener there, and a blocked event loop would not even hear it
  }, shutdownMs)
  worker.once('exit', () => clearTimeout(deadline))
}

/** Drains all, at once. Called again it does nothing, and neither does anything that forks. */
function end(code: 0 | 1, why?: string): void {
  if (ending !== undefined) return
  if (why !== undefined) console.error(why)
  ending = { code }
  for (const member of crew.values()) drain(member)
  endWhenAllAreGone()
}

function endWhenAllAreGone(): void {
  if (crew.size === 0) process.exit(ending?.code)
}

/** Renews the workers one by one: the new one listens, then the old one drains. False when that is not possible now. */
function reload(workers: number): boolean {
  if (reloading || ending !== undefined) return false
  reloading = true
  void renew([...crew.values()]).finally(() => {
    reloading = false
    refill(workers)
  })
  return true
}

async function renew(old: readonly Member[]): Promise<void> {
  for (const member of old) {
    if (ending !== undefined) return
    if (!crew.has(member.worker.id) || member.state === 'draining') continue // crashed meanwhile: renewed already
    const next = recruit(member)
    if (!(await listens(next))) {
      if (ending === undefined)
        console.error(`reload stopped: the new worker ${next.worker.process.pid} did not start`)
      return
    }
    drain(member)
    // At most one process more than wanted, however slow the drain is.
    if (crew.has(member.worker.id)) await new Promise((gone) => member.worker.once('exit', gone))
  }
}

/** Whether a new worker gets as far as `listening`. */
async function listens({ worker }: Member): Promise<boolean> {
  // One that neither listens nor dies is no better than one that dies.
  const tooLate = setTimeout(() => worker.process.kill('SIGKILL'), 10_000)
  await new Promise((over) => worker.once('listening', over).once('exit', over))
  clearTimeout(tooLate)
  return crew.get(worker.id)?.state === 'listening'
}

function serveAdmin(workers: number): void {
  createServer((request, response) => {
    const { method, url } = request
    if (url === '/workers') {
      if (method !== 'GET') return refuse(response, 405)
      const list = [...crew.values()].map(({ worker, state, startedAt }) => {
        return { id: worker.id, pid: worker.process.pid, state, startedAt }
      })
      return sendJson(response, list)
    }
    if (url === '/reload') {
      if (method !== 'POST') return refuse(response, 405)
      return void response.writeHead(reload(workers) ? 202 : 409).end()
    }
    return refuse(response, 404)
  }).listen(adminPort, '127.0.0.1')
}

/** Serves the handbook, until the primary says `drain` and disconnects. */
function work(): void {
  if (process.env.CRASH_ON_BOOT === '1') throw new Error('CRASH_ON_BOOT is set')

  // Ctrl-C reaches the whole process group. When a worker ends is for the primary to say.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => {})

  let listened = false
  let draining = false
  const open = new Set<ServerResponse>()
  const silent = new Set<Socket>()

  const routes = new Map<string, Route>([
    ['/', (_query, response) => sendJson(response, { pid: process.pid, worker: cluster.worker?.id })],
    ['/render', (query, response) => sendPage(response, renderHandbook(query.get('visitor') ?? 'stranger'))],
    ['/slow', (query, response) => answerSlowly(Number(query.get('ms') ?? 0), response)],
    ['/crash', (_query, response) => crashSoon(response)],
  ])

  const server = createServer((request, response) => {
    silent.delete(request.socket)
    open.add(response)
    response.once('close', () => open.delete(response))
    if (draining) closeAfter(response)

    const { path, query } = pathAndQuery(request.url ?? '/')
    const route = routes.get(path)
    if (!route) return refuse(response, 404)
    if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(response, 405)
    return route(query, response)
  })
  server.on('connection', (socket) => {
    silent.add(socket)
    socket.once('close', () => silent.delete(socket))
  })

  // An unhandled rejection comes here, too. Nobody knows what this process is worth now: no new work, but what has
  // begun may end. What ends it is what ends every drain.
  process.on('uncaughtException', (error) => {
    console.error(error)
    process.exitCode = 1
    if (listened) process.send?.('crashed', () => {})
    else process.exit()
  })

  process.on('message', (message) => {
    if (message !== 'drain' || draining) return
    draining = true
    for (const response of open) closeAfter(response)
    // `server.close()` ends connections that rest between two requests, but not those that never sent one. They get
    // a moment: on some a request is on its way.
    // A process that was kept waiting runs its timers before it reads what has arrived: that comes first.
    const cut = (): void => silent.forEach((socket) => socket.destroy())
    setTimeout(() => setImmediate(() => setImmediate(cut)), Math.min(1000, shutdownMs / 2)).unref()
  })

  // Comes when the last connection has ended, or when the primary has gone.
  process.on('disconnect', () => process.exit())
  if (!process.connected) process.exit()

  // The primary binds the port, but the error arrives here, in the worker that asked for it.
  server.on('error', () => process.exit(cannotListen))
  server.listen(port, () => (listened = true))
}

/** Makes this the last answer on its connection, so that the client does not send another request into the end. */
function closeAfter(response: ServerResponse): void {
  if (response.headersSent) response.once('finish', () => response.req.socket.destroySoon())
  else response.setHeader('connection', 'close')
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

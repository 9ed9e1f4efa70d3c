// caught by: orders that meet come out right
// When fewer are wanted, those go at once that wait for their replacement, though nobody else may listen.

/** Lesson 5 · workers come and go: told, listed, replaced, retired, and as many as are wanted just now. */

import cluster, { type Worker } from 'node:cluster'
import { createServer, type ServerResponse } from 'node:http'
import { availableParallelism } from 'node:os'
import { renderHandbook } from '#handbook'
import { serveAdmin, type AdminReply } from '../../starter/admin.ts'

/** Answers a GET of one path. */
type Route = (query: URLSearchParams, response: ServerResponse) => void

/** A worker as the primary knows it, from its fork to its exit. */
interface Listed {
  readonly worker: Worker
  readonly startedAt: string
  state: 'starting' | 'listening' | 'draining'
  /** It is to be replaced: it drains as soon as it can be spared. */
  retiring: boolean
  /** One too many since the wanted number fell: nobody takes its place. */
  surplus: boolean
}

const port = Number(process.env.PORT || 8000)
const adminPort = Number(process.env.ADMIN_PORT || 9000)

/** How a worker that can never listen ends: EX_UNAVAILABLE of sysexits.h. Node itself uses 1 to 14. */
const cannotListen = 69

/** A worker that died before it listened may do so again: its place stays empty for so long. */
const restMs = 1000
/** What has not ended so long after its worker was told to go is cut. */
const drainMs = 10_000
/** The same when the whole program ends, which is to take less than 5 s. */
const endMs = 2000

if (cluster.isPrimary) lead()
else work()

/** Forks the workers, tells what becomes of them, and keeps as many as are wanted. Serves nothing but the admin. */
function lead(): void {
  const workers = wantedWorkers()
  if (workers === undefined) {
    console.error(`WORKERS must be a whole number from 1 to 64, not ${JSON.stringify(process.env.WORKERS)}`)
    process.exitCode = 1
    return // nothing was forked, so nothing keeps this process alive
  }

  /** Every worker that lives, the draining too: `cluster.workers` loses those as soon as they are disconnected. */
  const roster = new Map<number, Listed>()
  let wanted = workers
  /** The wanted number before it fell. */
  let before = workers
  /** Places that stay empty for a while. */
  let resting = 0
  let announced = false
  let ending = false

  cluster.on('fork', (worker) => tell('fork', worker))
  cluster.on('online', (worker) => tell('online', worker))
  cluster.on('disconnect', (worker) => tell('disconnect', worker))

  cluster.on('listening', (worker) => {
    tell('listening', worker)
    const listed = roster.get(worker.id)
    if (listed?.state === 'starting') listed.state = 'listening'
    reconcile()
  })

  // The one event that every worker has once, whatever ended it, and after which its process is gone.
  cluster.on('exit', (worker, code, signal) => {
    tell('exit', worker, { code, signal })
    const diedYoung = roster.get(worker.id)?.state === 'starting'
    roster.delete(worker.id)
    if (ending) return leaveWhenAlone()
    if (code === cannotListen) return giveUp()
    return diedYoung ? rest() : reconcile()
  })

  process.on('SIGTERM', end)

  serveAdmin(adminPort, {
    'GET /workers': () => ({ status: 200, body: [...roster.values()].map(describe) }),
    'POST /workers/:id/retire': ({ id }) => retire(id),
    'PUT /scale': ({ body }) => scale(body),
  })

  reconcile()

  /**
   * Compares what is with what is wanted, and does what can be done about it now. Called after each change, whatever
   * it was, it needs not know why a worker is missing: that makes a death during a retirement during a scaling no
   * case of its own.
   */
  function reconcile(): void {
    if (ending) return
    // One more than wanted may live, those that drain counted, so that a replacement can come before its predecessor
    // goes and yet memory stays bounded.
    while (staying().length + resting < wanted && roster.size <= most()) fork()

    // Too many: the youngest go first, as one that has not listened yet is missed by nobody.
    const byUse = staying().sort((a, b) => Number(isListening(b)) - Number(isListening(a)))
    for (const listed of byUse.slice(wanted)) {
      listed.surplus = true
      drain(listed)
    }

    // A worker that is to be replaced goes when enough others listen, or when it does not serve anyway.
    for (const listed of roster.values()) {
      if (!listed.retiring || listed.state === 'draining') continue
      if (listed.state === 'starting' || [...roster.values()].filter(isListening).length > wanted)
        drain(listed)
    }

    if (announced || [...roster.values()].filter(isListening).length < wanted) return
    announced = true
    console.log(`ready: ${wanted} workers on port ${port}`)
  }

  /** As many as there were, until those that are too many have gone: a death meanwhile does not wait for them. */
  function most(): number {
    return hasSurplus() ? Math.max(before, wanted) : wanted
  }

  function hasSurplus(): boolean {
    return [...roster.values()].some(({ surplus }) => surplus)
  }

  function staying(): Listed[] {
    return [...roster.values()].filter(({ state, retiring }) => state !== 'draining' && !retiring)
  }

  function fork(): void {
    const worker = cluster.fork()
    // A message to a worker that has just died fails with EPIPE. Its exit tells all there is to know.
    worker.on('error', () => {})
    roster.set(worker.id, {
      worker,
      startedAt: new Date().toISOString(),
      state: 'starting',
      retiring: false,
      surplus: false,
    })
  }

  function rest(): void {
    resting += 1
    setTimeout(() => {
      resting -= 1
      reconcile()
    }, restMs)
  }

  /** A repeat changes nothing. */
  function retire(id: number): AdminReply {
    const listed = roster.get(id)
    if (listed === undefined) return { status: 404 }
    listed.retiring = true
    reconcile()
    return { status: 202 }
  }

  function scale(body: unknown): AdminReply {
    const workers = (body as { workers?: unknown } | null | undefined)?.workers
    if (typeof workers !== 'number' || !Number.isInteger(workers) || workers < 1 || workers > 16) {
      return { status: 400, body: { error: 'workers must be a whole number from 1 to 16' } }
    }
    before = hasSurplus() ? Math.max(before, wanted) : wanted
    wanted = workers
    letGoFirst()
    reconcile()
    return { status: 202 }
  }

  /** Fewer are wanted: those that were to be replaced go first, as then nobody has to who could have stayed. */
  function letGoFirst(): void {
    const serving = [...roster.values()].filter(({ state }) => state !== 'draining')
    const tooMany = Math.max(0, serving.length - wanted)
    for (const listed of serving.filter(({ retiring }) => retiring).slice(0, tooMany)) {
      listed.surplus = true
      drain(listed)
    }
  }

  /** SIGTERM: everybody drains at once, nobody comes any more, and whoever takes too long is killed. */
  function end(): void {
    if (ending) return
    ending = true
    for (const listed of roster.values()) if (listed.state !== 'draining') drain(listed)
    setTimeout(() => {
      for (const { worker } of roster.values()) worker.process.kill('SIGKILL')
    }, endMs)
    leaveWhenAlone()
  }

  function leaveWhenAlone(): void {
    if (roster.size === 0) process.exit(0)
  }
}

/** One line for each event of a worker's life. */
function tell(event: string, worker: Worker, more: object = {}): void {
  console.log(JSON.stringify({ event, worker: worker.id, pid: worker.process.pid, ...more }))
}

function describe({ worker, state, startedAt }: Listed): object {
  return { id: worker.id, pid: worker.process.pid, state, startedAt }
}

function isListening({ state }: Listed): boolean {
  return state === 'listening'
}

/**
 * Lets a worker finish what it has begun. Once only: a second `disconnect()` closes its channel in the middle of that.
 * A kill of a process that has exited does nothing, so the timer may stay.
 */
function drain(listed: Listed): void {
  listed.state = 'draining'
  listed.worker.disconnect()
  setTimeout(() => listed.worker.process.kill('SIGKILL'), drainMs).unref()
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

  // Node ends a worker whose primary is gone, but not one that was disconnected on purpose and still drains.
  process.on('disconnect', () => process.exit(0))

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
  closeIfDraining(response)
  response.setHeader('content-type', 'application/json').end(JSON.stringify(body))
}

function sendPage(response: ServerResponse, html: string): void {
  closeIfDraining(response)
  response.setHeader('content-type', 'text/html; charset=utf-8').end(html)
}

/** Answers after so many ms, unless the client has gone by then: a timer would keep a drained worker alive. */
function sendLater(response: ServerResponse, ms: number): void {
  const timer = setTimeout(() => sendJson(response, { ...whoAmI(), ms }), Math.min(ms, 2 ** 31 - 1))
  response.on('close', () => clearTimeout(timer))
}

function refuse(response: ServerResponse, status: 404 | 405): void {
  closeIfDraining(response)
  if (status === 405) response.setHeader('allow', 'GET, HEAD')
  response.writeHead(status).end()
}

/**
 * Called when an answer begins, which may be long after its request came. A client that keeps its connection would
 * keep a draining worker with it, so it is told to open another. In a worker, the flag is set when its drain begins.
 */
function closeIfDraining(response: ServerResponse): void {
  if (cluster.worker?.exitedAfterDisconnect) response.setHeader('connection', 'close')
}

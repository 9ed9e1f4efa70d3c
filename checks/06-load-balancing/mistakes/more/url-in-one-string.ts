// caught by: headers pass as they came, and hop-by-hop ones stay behind
// The worker's address and the url are joined to one text, so that a parser rewrites path and query.
/** Lesson 6 · the primary passes each request to a worker of its choice, and copes when that worker dies. */

import cluster, { type Worker } from 'node:cluster'
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { availableParallelism } from 'node:os'
import { forward } from './url-in-one-string/forward.ts'
import { work } from '../../starter/worker.ts'

/** A worker as the primary knows it, from its fork to its end. */
interface Member {
  readonly worker: Worker
  readonly startedAt: string
  /** From 0 to WORKERS - 1. Whoever replaces it takes its place; no two live ones share one. */
  readonly place: number
  /** Where it listens on 127.0.0.1, once it does. */
  port: number | undefined
  /** How many requests it has in hand now, of every kind. */
  inFlight: number
}

interface Listening extends Member {
  port: number
}

const port = Number(process.env.PORT || 8000)
const adminPort = Number(process.env.ADMIN_PORT || 9000)

/** All that live, by the worker's id. */
const members = new Map<number, Member>()

if (cluster.isPrimary) lead()
else work()

/** Forks the workers, replaces those that die, and opens PORT when all of them listen. */
function lead(): void {
  const workers = wantedWorkers()
  if (workers === undefined) {
    console.error(`WORKERS must be a whole number from 1 to 64, not ${JSON.stringify(process.env.WORKERS)}`)
    process.exitCode = 1
    return
  }
  let open = false

  cluster.on('message', (worker, message: { listening?: number } | null) => {
    const member = members.get(worker.id)
    if (member === undefined || typeof message?.listening !== 'number') return
    member.port = message.listening
    if (open || alive().length < workers) return
    open = true
    listen(workers)
  })

  cluster.on('exit', (worker) => {
    const lost = members.get(worker.id)
    if (lost === undefined) return
    members.delete(worker.id)
    // One that never listened may never be able to. The pause keeps that from becoming a storm of forks.
    setTimeout(() => fork(lost.place), lost.port === undefined ? 1000 : 0)
  })

  for (let place = 0; place < workers; place++) fork(place)
}

function fork(place: number): void {
  const worker = cluster.fork()
  const startedAt = new Date().toISOString()
  members.set(worker.id, { worker, startedAt, place, port: undefined, inFlight: 0 })
}

/** Opens PORT for everybody, and the admin interface for this machine. */
function listen(workers: number): void {
  const proxy = createServer(serve)
    // Whether the body of a request with `expect: 100-continue` is wanted, its worker decides.
    .on('checkContinue', serve)
    .on('error', giveUp)
  createServer(administer)
    .on('error', giveUp)
    // Whoever reads `ready` may ask either port.
    .listen(adminPort, '127.0.0.1', () => {
      proxy.listen(port, () => console.log(`ready: ${workers} workers on port ${port}`))
    })
}

/** Every request that comes to PORT. */
async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let member = choose(request)
  for (let attempt = 1; member !== undefined; attempt++) {
    const outcome = await pass(request, response, member)
    if (outcome !== 'unanswered') return
    // Its worker may have done the work, and died before it could say so. Only what may happen twice is sent again.
    if (attempt === 2 || !isRepeatable(request)) return refuse(response, 502)
    member = choose(request, member)
  }
  refuse(response, 503)
}

/** In flight until nothing of it is left, however it ends: `forward` never rejects and never stays away. */
async function pass(request: IncomingMessage, response: ServerResponse, member: Listening) {
  member.inFlight++
  const outcome = await forward(request, response, member.port)
  member.inFlight--
  return outcome
}

/** Who gets this request; undefined when nobody is there. `failed` has just died, even if its exit is no news yet. */
function choose(request: IncomingMessage, failed?: Listening): Listening | undefined {
  const candidates = alive().filter((member) => member !== failed)
  const user = request.headers['x-user']
  // An empty one names nobody.
  return typeof user === 'string' && user !== ''
    ? best(candidates, (member) => weight(user, member.place))
    : best(candidates, (member) => -member.inFlight)
}

/**
 * Rendezvous hashing: each place draws a number for each user, and the highest one wins. A place that falls empty only
 * loses its own users, each to the place that drew the second highest, and gets exactly them back.
 */
function weight(user: string, place: number): number {
  return createHash('sha1').update(`${place} ${user}`).digest().readUInt32BE()
}

/** The first with the highest score. */
function best(candidates: readonly Listening[], score: (member: Listening) => number): Listening | undefined {
  let found: { member: Listening; score: number } | undefined
  for (const member of candidates) {
    const own = score(member)
    if (found === undefined || own > found.score) found = { member, score: own }
  }
  return found?.member
}

/** Those that listen. */
function alive(): Listening[] {
  return [...members.values()].filter((member): member is Listening => member.port !== undefined)
}

/** Idempotent (RFC 9110, 9.2.2), and without a body: that has been read, and is gone. */
function isRepeatable({ method = '', headers }: IncomingMessage): boolean {
  const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
  return !hasBody && ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE'].includes(method)
}

/** 502: its worker failed. 503: there is no worker just now. */
function refuse(response: ServerResponse, status: 502 | 503): void {
  if (status === 503) response.setHeader('retry-after', '1')
  response.writeHead(status).end()
}

function administer(request: IncomingMessage, response: ServerResponse): void {
  if (request.url !== '/workers') return void response.writeHead(404).end()
  if (request.method !== 'GET') return void response.writeHead(405, { allow: 'GET' }).end()
  const list = [...members.values()].map(({ worker: { id, process }, startedAt, port }) => {
    return { id, pid: process.pid, state: port === undefined ? 'starting' : 'listening', startedAt }
  })
  response.setHeader('content-type', 'application/json').end(JSON.stringify(list))
}

/** From 1 to 64; when unset or empty, one per core that this process may use. Undefined for anything else. */
function wantedWorkers(): number | undefined {
  const text = process.env.WORKERS
  if (text === undefined || text === '') return availableParallelism()
  const workers = /^\d+$/.test(text) ? Number(text) : 0
  return workers >= 1 && workers <= 64 ? workers : undefined
}

/** A port that is taken: no worker can mend that. They end with the primary. */
function giveUp(error: Error): never {
  console.error(error.message)
  process.exit(1)
}

/** Lesson 6 · the primary is a proxy. Start it with `npm run lesson 6 run`. */

import cluster, { type Worker } from 'node:cluster'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { availableParallelism } from 'node:os'
import { forward } from './forward.ts'
import { work } from './worker.ts'

/** A worker as the primary knows it, from its fork to its end. */
interface Member {
  readonly worker: Worker
  readonly startedAt: string
  /** Where it listens on 127.0.0.1, once it does. */
  port: number | undefined
  // TODO: what else has to be known of a worker, to choose one? And what stays when another one replaces it?
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
    setTimeout(fork, lost.port === undefined ? 1000 : 0)
  })

  for (let forked = 0; forked < workers; forked++) fork()
}

function fork(): void {
  const worker = cluster.fork()
  const startedAt = new Date().toISOString()
  members.set(worker.id, { worker, startedAt, port: undefined })
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

let turn = 0

/** Every request that comes to PORT. */
async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const member = choose(request)
  // TODO: nobody is there just now. Who tells the client?
  if (member?.port === undefined) return
  await forward(request, response, member.port)
  // TODO: when that resolves to 'unanswered', the client still waits. Which requests may go to another worker?
}

// TODO: how does a user always meet the same worker, also after another one has died?
// TODO: and which worker is best for a request of nobody in particular?
function choose(_request: IncomingMessage): Member | undefined {
  const members = alive()
  return members[turn++ % members.length]
}

/** Those that listen. */
function alive(): Member[] {
  return [...members.values()].filter((member) => member.port !== undefined)
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

/** Lesson 4 · messages between primary and workers. Start it with `npm run lesson 4 run`. */

import cluster from 'node:cluster'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { availableParallelism } from 'node:os'
import { renderHandbook } from '#handbook'

/** Answers one method of one path. */
type Route = (request: IncomingMessage, response: ServerResponse, query: URLSearchParams) => unknown

const port = Number(process.env.PORT || 8000)

/** How a worker that can never listen ends: EX_UNAVAILABLE of sysexits.h. Node itself uses 1 to 14. */
const cannotListen = 69

const BANNER_BYTES = 1024

if (cluster.isPrimary) lead()
else work()

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
  })

  cluster.on('exit', (worker, code) => {
    if (code === cannotListen) return giveUp()
    const listened = listening.delete(worker.id)
    // One that never listened may never be able to. The pause keeps that from becoming a storm of forks.
    setTimeout(() => cluster.fork(), listened ? 0 : 1000)
  })

  keepCountAndBanner()
  for (let forked = 0; forked < workers; forked++) cluster.fork()
}

/** The primary's part of the conversation. */
function keepCountAndBanner(): void {
  // TODO: who adds up the hits of all workers, those of dead ones too? What do the workers tell, and how often?
  // TODO: a PUT reaches one worker. How do the others get the banner, and who knows when all of them have it?
  // TODO: what if a worker dies, hangs, or starts in the middle of that? What if two PUTs come at once?
  // TODO: what does your code make of a message that is null, or of one that nobody ought to send?
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

/** Serves the handbook, counts its own hits, and has a banner of its own: no memory is shared. */
function work(): void {
  let hits = 0
  let banner = ''

  const routes = new Map<string, Readonly<Record<string, Route>>>([
    ['/', { GET: (_request, response) => sendJson(response, { ...whoAmI(), hits: ++hits }) }],
    ['/render', { GET: (_request, response, query) => sendPage(response, renderHandbook(visitorIn(query))) }],
    ['/stats', { GET: (_request, response) => sendStats(response) }],
    ['/banner', { GET: (_request, response) => sendText(response, banner), PUT: putBanner }],
  ])

  const server = createServer((request, response) => {
    const { path, query } = pathAndQuery(request.url ?? '/')
    const methods = routes.get(path)
    if (!methods) return refuse(response, 404)
    const route = methods[request.method === 'HEAD' ? 'GET' : (request.method ?? '')]
    if (!route) return refuse(response, 405, Object.keys(methods))
    return route(request, response, query)
  })

  // The primary binds the port, but the error arrives here, in the worker that asked for it.
  server.on('error', () => process.exit(cannotListen))
  // TODO: a worker that takes the place of a dead one starts with an empty banner. Who tells it, and when?
  server.listen(port)

  // TODO: these are the hits of this worker since it started. Whose are missing?
  function sendStats(response: ServerResponse): void {
    sendJson(response, { total: hits, perWorker: { [String(cluster.worker?.id)]: hits } })
  }

  async function putBanner(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const text = await bodyOf(request)
    if (text.length > BANNER_BYTES) return void response.writeHead(413).end()
    banner = text
    // TODO: 204 is to say that every live worker uses it. When do you know, and how long do you wait?
    response.writeHead(204).end()
  }
}

// TODO: 1,024 of what? And what if a chunk ends in the middle of a character?
function bodyOf(request: IncomingMessage): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    request.on('data', (chunk: Buffer) => (text += String(chunk)))
    request.on('end', () => resolve(text))
  })
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

function visitorIn(query: URLSearchParams): string {
  return query.get('visitor') ?? 'stranger'
}

function sendJson(response: ServerResponse, body: object): void {
  response.setHeader('content-type', 'application/json').end(JSON.stringify(body))
}

function sendPage(response: ServerResponse, html: string): void {
  response.setHeader('content-type', 'text/html; charset=utf-8').end(html)
}

function sendText(response: ServerResponse, text: string): void {
  response.setHeader('content-type', 'text/plain; charset=utf-8').end(text)
}

function refuse(response: ServerResponse, status: 404 | 405, methods: readonly string[] = []): void {
  if (status === 405) {
    const allowed = methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method]))
    response.setHeader('allow', allowed.join(', '))
  }
  response.writeHead(status).end()
}

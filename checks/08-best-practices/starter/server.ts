/** Lesson 8 · best practices. Start it with `ADMIN_TOKEN=open SIGNING_KEY=sesame npm run lesson 8 run`. */

import cluster from 'node:cluster'
import { createHmac } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { availableParallelism } from 'node:os'
import { countWords, renderHandbook } from '#handbook'

/** Answers a request for one path. */
type Route = (request: IncomingMessage, response: ServerResponse, query: URLSearchParams) => unknown

const port = Number(process.env.PORT || 8000)
const adminPort = Number(process.env.ADMIN_PORT || 9000)

/** How a worker that can never listen ends: EX_UNAVAILABLE of sysexits.h. Node itself uses 1 to 14. */
const cannotListen = 69

if (cluster.isPrimary) lead()
else work()

/** Forks the workers and replaces those that die. Serves the admin interface. */
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

  // TODO: what is in the environment of each worker now? Look at /proc/PID/environ, or run `ps eww PID`.
  serveAdmin()
  for (let forked = 0; forked < workers; forked++) cluster.fork()
}

/** From 1 to 64; when unset or empty, one per core that this process may use. Undefined for anything else. */
function wantedWorkers(): number | undefined {
  const text = process.env.WORKERS
  if (text === undefined || text === '') return availableParallelism()
  const workers = /^\d+$/.test(text) ? Number(text) : 0
  return workers >= 1 && workers <= 64 ? workers : undefined
}

/** No fork can mend a taken port. Siblings would complain of a listen cut short, so they end first. */
function giveUp(taken = port): never {
  console.error(`port ${taken} is taken, or not ours to use`)
  for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill()
  process.exit(1)
}

/** Serves the admin interface, on this machine only. */
function serveAdmin(): void {
  // TODO: who may ask? And what if there is no ADMIN_TOKEN, or an empty one?
  const admin = createServer((request, response) => {
    const { path } = pathAndQuery(request.url ?? '/')
    // TODO: /metrics. The numbers are in the workers: who asks them, and what if one never answers?
    return refuse(response, path === '/metrics' ? 501 : 404)
  })
  admin.on('error', () => giveUp(adminPort))
  admin.listen(adminPort, '127.0.0.1')
}

/** Serves the handbook. Every worker runs this on its own, with its own numbers: no memory is shared. */
function work(): void {
  let hits = 0

  const routes = new Map<string, Map<string, Route>>([
    ['/', get((_request, response) => sendJson(response, { ...whoAmI(), hits: ++hits }))],
    [
      '/render',
      get((_request, response, query) =>
        sendPage(response, renderHandbook(query.get('visitor') ?? 'stranger')),
      ),
    ],
    ['/report', get((_request, response) => sendJson(response, report()))],
    ['/echo', new Map([['POST', echo]])],
    ['/sign', new Map([['POST', sign]])],
  ])

  // TODO: what does a client cost you that connects and never sends its headers? How long may it stay?
  const server = createServer((request, response) => {
    const { path, query } = pathAndQuery(request.url ?? '/')
    const methods = routes.get(path)
    if (!methods) return refuse(response, 404)
    const route = methods.get(request.method ?? '')
    if (!route) return refuse(response.setHeader('allow', [...methods.keys()].join(', ')), 405)
    return route(request, response, query)
  })

  // The primary binds the port, but the error arrives here, in the worker that asked for it.
  server.on('error', () => process.exit(cannotListen))
  server.listen(port)
}

/** A path that is only asked for. */
function get(route: Route): Map<string, Route> {
  return new Map([
    ['GET', route],
    ['HEAD', route],
  ])
}

/** 40 renders. */
// TODO: who waits meanwhile? How many may be in progress, how many may wait, and what if their client has gone?
function report(): { words: number } {
  let words = 0
  for (let done = 0; done < 40; done++) words += countWords(renderHandbook('report'))
  return { words }
}

async function echo(request: IncomingMessage, response: ServerResponse): Promise<void> {
  response.setHeader('content-type', 'application/octet-stream').end(await bodyOf(request))
}

async function sign(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const text = (await bodyOf(request)).toString()
  // TODO: every worker holds the key. Who needs to?
  const signature = createHmac('sha256', process.env.SIGNING_KEY ?? '')
    .update(text)
    .digest('hex')
  sendJson(response, { signature })
}

// TODO: how much may one client send? When do you know that it is too much?
async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
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

function refuse(response: ServerResponse, status: number): void {
  response.writeHead(status).end()
}

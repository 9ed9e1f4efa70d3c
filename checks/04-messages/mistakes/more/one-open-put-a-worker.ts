// caught by: two PUTs at once leave all workers agreeing
// A worker remembers one PUT: a second one that comes to the same worker takes its place.

/** Lesson 4 · one count and one banner for the whole cluster, kept by the primary and told over messages. */

import cluster, { type Worker } from 'node:cluster'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { availableParallelism } from 'node:os'
import { renderHandbook } from '#handbook'

/** Answers one method of one path. */
type Route = (request: IncomingMessage, response: ServerResponse, query: URLSearchParams) => unknown

interface Stats {
  readonly total: number
  readonly perWorker: Readonly<Record<string, number>>
}

/** What a worker says. `hits` counts from its start, so that one message too many, or too few, does no harm. */
type FromWorker =
  | { readonly type: 'hits'; readonly hits: number }
  | { readonly type: 'hello' }
  | { readonly type: 'uses'; readonly version: number }
  | { readonly type: 'stats'; readonly id: number }
  | { readonly type: 'put'; readonly id: number; readonly text: string }

/** What the primary says. An answer carries the id of its question. */
type FromPrimary =
  | { readonly type: 'banner'; readonly version: number; readonly text: string }
  | { readonly type: 'stats'; readonly id: number; readonly stats: Stats }
  | { readonly type: 'put'; readonly id: number; readonly done: boolean }

const port = Number(process.env.PORT || 8000)

/** How a worker that can never listen ends: EX_UNAVAILABLE of sysexits.h. Node itself uses 1 to 14. */
const cannotListen = 69

const BANNER_BYTES = 1024
/** How long hits wait in a worker to be told together. */
const REPORT_MS = 100
/** How long a PUT waits for workers to use its banner. */
const AGREE_MS = 2_000
/** How long a worker waits for an answer of the primary: longer than the primary itself waits for others. */
const ANSWER_MS = 2_500

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

/** The primary's part of the conversation. It listens on `cluster`, which hears every worker, future ones too. */
function keepCountAndBanner(): void {
  /** By worker id, dead workers' too. */
  const hits = new Map<number, number>()
  let banner = { version: 0, text: '' }
  /** Which version each live worker uses, by id; -1 until it says so. A worker is here before it can listen. */
  const uses = new Map<number, number>()
  const waiting = new Set<{ readonly version: number; readonly finish: (done: boolean) => void }>()

  cluster.on('message', (worker, received: unknown) => {
    const message = fromWorker(received)
    if (message === undefined) return
    switch (message.type) {
      case 'hits':
        hits.set(worker.id, Math.max(message.hits, hits.get(worker.id) ?? 0))
        break
      case 'hello':
        // A last message may be read after its sender's exit. Nobody must wait for the dead.
        if (worker.isDead()) break
        uses.set(worker.id, -1)
        tell(worker, { type: 'banner', ...banner })
        break
      case 'uses':
        if (!uses.has(worker.id)) break
        uses.set(worker.id, message.version)
        finishPuts()
        break
      case 'stats':
        tell(worker, { type: 'stats', id: message.id, stats: stats() })
        break
      case 'put':
        put(message.text, (done) => tell(worker, { type: 'put', id: message.id, done }))
        break
    }
  })

  cluster.on('exit', (worker) => {
    uses.delete(worker.id)
    finishPuts()
  })

  function stats(): Stats {
    const total = [...hits.values()].reduce((sum, count) => sum + count, 0)
    return { total, perWorker: Object.fromEntries(hits) }
  }

  /** One process gives the versions, and each channel keeps its order: so all workers end with the same banner. */
  function put(text: string, answer: (done: boolean) => void): void {
    banner = { version: banner.version + 1, text }
    const finish = (done: boolean): void => {
      clearTimeout(deadline)
      waiting.delete(entry)
      answer(done)
    }
    const entry = { version: banner.version, finish }
    // Too late is not undone: the message is on its way to the slow one, and everybody else uses it already.
    const deadline = setTimeout(() => finish(false), AGREE_MS)
    waiting.add(entry)
    for (const worker of Object.values(cluster.workers ?? {})) {
      if (worker) tell(worker, { type: 'banner', ...banner })
    }
    finishPuts()
  }

  function finishPuts(): void {
    const least = Math.min(...uses.values())
    for (const { version, finish } of waiting) if (version <= least) finish(true)
  }

  /** With a callback, since the other end may be gone: without one, the error would end the primary. */
  function tell(worker: Worker, message: FromPrimary): void {
    worker.send(message, () => {})
  }
}

/** A message in the form that the types promise, or undefined: whatever else came. */
function fromWorker(received: unknown): FromWorker | undefined {
  const message = fieldsOf(received)
  switch (message.type) {
    case 'hits':
      return isCount(message.hits) ? { type: 'hits', hits: message.hits } : undefined
    case 'hello':
      return { type: 'hello' }
    case 'uses':
      return isCount(message.version) ? { type: 'uses', version: message.version } : undefined
    case 'stats':
      return isCount(message.id) ? { type: 'stats', id: message.id } : undefined
    case 'put':
      return isCount(message.id) && typeof message.text === 'string'
        ? { type: 'put', id: message.id, text: message.text }
        : undefined
    default:
      return undefined
  }
}

function fieldsOf(received: unknown): Readonly<Record<string, unknown>> {
  return typeof received === 'object' && received !== null ? { ...received } : {}
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0
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

/** Serves the handbook, counts its own hits, and uses the banner that the primary told it. */
function work(): void {
  let hits = 0
  let banner: string | undefined
  let report: NodeJS.Timeout | undefined
  const questions = new Map<number, (answer: Stats | undefined) => void>()
  let asked = 0
  /** The PUT that waits for the primary. */
  let openPut: { id: number; response: ServerResponse; deadline: NodeJS.Timeout } | undefined

  const routes = new Map<string, Readonly<Record<string, Route>>>([
    ['/', { GET: (_request, response) => sendJson(response, { ...whoAmI(), hits: hit() }) }],
    ['/render', { GET: (_request, response, query) => sendPage(response, renderHandbook(visitorIn(query))) }],
    ['/stats', { GET: (_request, response) => sendStats(response) }],
    ['/banner', { GET: (_request, response) => sendText(response, banner ?? ''), PUT: putBanner }],
  ])

  const server = createServer((request, response) => {
    const { path, query } = pathAndQuery(request.url ?? '/')
    const methods = routes.get(path)
    if (!methods) return refuse(response, 404)
    const route = methods[request.method === 'HEAD' ? 'GET' : (request.method ?? '')]
    if (!route) return refuse(response, 405, Object.keys(methods))
    return route(request, response, query)
  })

  process.on('message', (received: unknown) => {
    const message = fromPrimary(received)
    if (message?.type === 'banner') useBanner(message.version, message.text)
    else if (message?.type === 'stats') questions.get(message.id)?.(message.stats)
    else if (message?.type === 'put') answerPut(message.id, message.done)
  })

  // The primary binds the port, but the error arrives here, in the worker that asked for it.
  server.on('error', () => process.exit(cannotListen))
  // What the primary sent before this line is lost, so the worker asks, and listens when the answer has come.
  tellPrimary({ type: 'hello' })

  function useBanner(version: number, text: string): void {
    const first = banner === undefined
    banner = text
    tellPrimary({ type: 'uses', version })
    if (first) server.listen(port)
  }

  function hit(): number {
    hits += 1
    report ??= setTimeout(reportHits, REPORT_MS)
    return hits
  }

  function reportHits(): void {
    if (report === undefined) return
    clearTimeout(report)
    report = undefined
    tellPrimary({ type: 'hits', hits })
  }

  async function sendStats(response: ServerResponse): Promise<void> {
    reportHits() // ahead of the question in the same channel, so this worker's own hits are in the answer
    const stats = await ask((id) => ({ type: 'stats', id }))
    if (stats === undefined) response.writeHead(503).end()
    else sendJson(response, stats)
  }

  async function putBanner(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const bytes = await bodyOf(request, BANNER_BYTES)
    if (bytes === undefined) return void response.writeHead(413).end()
    const id = ++asked
    openPut = { id, response, deadline: setTimeout(() => answerPut(id, false), ANSWER_MS) }
    // Decoded as a whole: a character may lie across the border of two chunks.
    tellPrimary({ type: 'put', id, text: bytes.toString('utf8') })
  }

  /** An answer that comes after its deadline is for nobody any more. */
  function answerPut(id: number, done: boolean): void {
    if (openPut?.id !== id) return
    clearTimeout(openPut.deadline)
    openPut.response.writeHead(done ? 204 : 503).end()
    openPut = undefined
  }

  /** The primary's answer to this question; undefined when it does not come in time. */
  function ask(question: (id: number) => FromWorker): Promise<Stats | undefined> {
    const id = ++asked
    return new Promise((resolve) => {
      const finish = (answer: Stats | undefined): void => {
        clearTimeout(deadline)
        questions.delete(id)
        resolve(answer)
      }
      const deadline = setTimeout(() => finish(undefined), ANSWER_MS)
      questions.set(id, finish)
      tellPrimary(question(id))
    })
  }
}

function tellPrimary(message: FromWorker): void {
  cluster.worker?.send(message, () => {}) // when the primary has gone, Node ends this worker
}

function fromPrimary(received: unknown): FromPrimary | undefined {
  const { type, id, version, text, stats, done } = fieldsOf(received)
  if (type === 'banner' && isCount(version) && typeof text === 'string') return { type, version, text }
  if (type === 'stats' && isCount(id) && typeof stats === 'object' && stats !== null)
    return { type, id, stats: stats as Stats }
  if (type === 'put' && isCount(id) && typeof done === 'boolean') return { type, id, done }
  return undefined
}

/** The whole body; undefined when it has more bytes than these. A loop that ends early would cut the connection. */
function bodyOf(request: IncomingMessage, limit: number): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let bytes = 0
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes <= limit) chunks.push(chunk)
      else resolve(undefined)
    })
    request.on('end', () => resolve(Buffer.concat(chunks)))
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

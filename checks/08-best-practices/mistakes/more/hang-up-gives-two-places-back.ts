// caught by: one report at a time in a worker, and a client that hangs up frees its place
// The place of a client that hangs up is given back when it goes, and when its report ends.
/** Lesson 8 · measured per worker, bounded per client, and the key with the one process that needs it. */

import cluster, { type Worker } from 'node:cluster'
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { availableParallelism } from 'node:os'
import { performance } from 'node:perf_hooks'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { AggregatorRegistry, Counter, Gauge, Registry, type MetricObject } from 'prom-client'
import { countWords, renderHandbook } from '#handbook'

/** Answers a request for one path. */
type Route = (request: IncomingMessage, response: ServerResponse, query: URLSearchParams) => unknown

/** What workers say to the primary, and what the primary answers. Each answer bears the id of its question. */
type ToPrimary =
  | { type: 'sign'; id: number; text: string }
  | { type: 'metrics'; id: number; metrics: MetricObject[] }
type ToWorker = { type: 'signature'; id: number; signature: string } | { type: 'measure'; id: number }

const port = Number(process.env.PORT || 8000)
const adminPort = Number(process.env.ADMIN_PORT || 9000)

const echoLimit = 64 * 1024
const signLimit = 4 * 1024
/** Beside the one report that is in progress in each worker. */
const waitingPerWorker = 1
/** How long anybody waits for an answer over IPC. A worker that dies, or stands still, never gives one. */
const answerWithinMs = 1000

/**
 * headersTimeout counts from the connection's start, also when nothing comes, and anew from the first byte. Node looks
 * at it only every connectionsCheckingInterval, which is 30 s unless told.
 */
const limits = { headersTimeout: 5000, requestTimeout: 60_000, connectionsCheckingInterval: 500 }

/** How a worker that can never listen ends: EX_UNAVAILABLE of sysexits.h. Node itself uses 1 to 14. */
const cannotListen = 69

if (cluster.isPrimary) lead()
else work()

/** Forks the workers and replaces those that die. Holds the key, signs, and serves the admin interface. */
function lead(): void {
  const workers = wantedWorkers()
  if (workers === undefined) {
    console.error(`WORKERS must be a whole number from 1 to 64, not ${JSON.stringify(process.env.WORKERS)}`)
    process.exitCode = 1
    return // nothing was forked, so nothing keeps this process alive
  }

  const signingKey = takeSecret('SIGNING_KEY')
  const adminToken = takeSecret('ADMIN_TOKEN')

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

  if (signingKey === undefined) console.error('SIGNING_KEY is not set: nothing will be signed')
  else signFor(signingKey)
  if (adminToken === undefined) console.error('ADMIN_TOKEN is not set: there is no admin interface')
  else serveAdmin(adminToken)

  for (let forked = 0; forked < workers; forked++) cluster.fork()
}

/**
 * Reads a secret and takes it out of the environment, of which every fork gets a copy. Later would be too late: a
 * child's /proc/PID/environ shows what it was started with for as long as it lives.
 */
function takeSecret(name: string): string | undefined {
  const secret = process.env[name]
  delete process.env[name]
  return secret === '' ? undefined : secret
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

/** Signs what workers ask for, as far as it looks like a request of theirs. What does not gets no answer. */
function signFor(key: string): void {
  cluster.on('message', (worker, message: unknown) => {
    if (!isSignRequest(message)) return
    const { id, text } = message
    tell(worker, { type: 'signature', id, signature: createHmac('sha256', key).update(text).digest('hex') })
  })
}

/** A worker may be broken, or taken over: what it says is input, like a request of a client. */
function isSignRequest(message: unknown): message is ToPrimary & { type: 'sign' } {
  if (typeof message !== 'object' || message === null) return false
  const { type, id, text } = message as Record<string, unknown>
  const isText = typeof text === 'string' && Buffer.byteLength(text) <= signLimit
  return type === 'sign' && typeof id === 'number' && isText
}

function tell(worker: Worker, message: ToWorker): void {
  // Without a callback, a send to a worker that has just died is an error event on it, and ends the primary.
  worker.send(message, () => {})
}

/** Serves the metrics to whoever knows the token, on this machine only. */
function serveAdmin(token: string): void {
  const admin = createServer(limits, (request, response) => {
    const { path } = pathAndQuery(request.url ?? '/')
    if (!isAuthorized(request, token)) {
      response.setHeader('www-authenticate', 'Bearer')
      return refuse(response, 401)
    }
    if (path !== '/metrics') return refuse(response, 404)
    if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(response, 405)
    return sendMetrics(response)
  })
  hearMetrics()
  admin.on('error', () => giveUp(adminPort))
  admin.listen(adminPort, '127.0.0.1')
}

/**
 * A comparison with === ends at the first character that differs, and its time tells where that is. The hashes are
 * compared because timingSafeEqual throws where the lengths differ.
 */
function isAuthorized(request: IncomingMessage, token: string): boolean {
  const hash = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(hash(request.headers.authorization ?? ''), hash(`Bearer ${token}`))
}

async function sendMetrics(response: ServerResponse): Promise<void> {
  try {
    const registry = AggregatorRegistry.aggregate(await gatherMetrics())
    const text = await registry.metrics()
    response.setHeader('content-type', registry.contentType).end(text)
  } catch {
    refuse(response, 500) // some worker's answer was no list of metrics
  }
}

type Settle = (worker: Worker, metrics?: MetricObject[]) => void

/** What to do with an answer, by the id of the question. */
const gatherings = new Map<number, Settle>()
let gathered = 0

function hearMetrics(): void {
  cluster.on('message', (worker, message: Partial<ToPrimary> | null) => {
    if (message?.type !== 'metrics' || !Array.isArray(message.metrics)) return
    gatherings.get(Number(message.id))?.(worker, message.metrics)
  })
  cluster.on('exit', (worker) => {
    for (const settle of gatherings.values()) settle(worker)
  })
}

/** What the workers measure, of those that answer in time. Whoever dies meanwhile is no longer waited for. */
function gatherMetrics(): Promise<MetricObject[][]> {
  const id = ++gathered
  const asked = Object.values(cluster.workers ?? {}).flatMap((worker) =>
    worker?.isConnected() ? [worker] : [],
  )
  const awaited = new Set(asked.map((worker) => worker.id))
  const answers: MetricObject[][] = []
  return new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(deadline)
      gatherings.delete(id)
      resolve(answers)
    }
    const deadline = setTimeout(finish, answerWithinMs)
    gatherings.set(id, (worker, metrics) => {
      if (awaited.delete(worker.id) && metrics) answers.push(metrics)
      if (awaited.size === 0) finish()
    })
    for (const worker of asked) tell(worker, { type: 'measure', id })
    if (awaited.size === 0) finish()
  })
}

/** Serves the handbook. Every worker runs this on its own, with its own numbers: no memory is shared. */
function work(): void {
  let hits = 0
  const countRequest = measure()
  process.on('message', (message: ToWorker) => {
    if (message.type === 'signature') awaited.get(message.id)?.(message.signature)
  })

  const routes = new Map<string, Map<string, Route>>([
    ['/', get((_request, response) => sendJson(response, { ...whoAmI(), hits: ++hits }))],
    [
      '/render',
      get((_request, response, query) =>
        sendPage(response, renderHandbook(query.get('visitor') ?? 'stranger')),
      ),
    ],
    ['/report', get((request, response) => admitReport(request, response))],
    ['/echo', new Map([['POST', echo]])],
    ['/sign', new Map([['POST', sign]])],
  ])

  const server = createServer(limits, (request, response) => {
    countRequest()
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

/** Answers the primary when it asks for this worker's numbers. Returns how to count a request. */
function measure(): () => void {
  const worker = String(cluster.worker?.id)
  const common = { labelNames: ['worker'] as const, registers: [] }

  const requests = new Counter({ name: 'http_requests_total', help: 'Requests that reached it', ...common })
  requests.inc({ worker }, 0) // a series that is there from the start, before the first request

  let last = performance.eventLoopUtilization()
  const utilization = new Gauge({
    name: 'event_loop_utilization',
    help: 'How much of the time since the last scrape its event loop was busy, 0 to 1',
    ...common,
    collect() {
      const now = performance.eventLoopUtilization()
      this.set({ worker }, performance.eventLoopUtilization(now, last).utilization || 0) // 0 / 0 in no time
      last = now
    },
  })

  const memory = new Gauge({
    name: 'process_resident_memory_bytes',
    help: 'Its resident memory',
    ...common,
    collect() {
      this.set({ worker }, process.memoryUsage.rss())
    },
  })

  const registry = new Registry()
  for (const metric of [requests, utilization, memory]) registry.registerMetric(metric)
  process.on('message', async (message: ToWorker) => {
    if (message.type !== 'measure') return
    ask({ type: 'metrics', id: message.id, metrics: await registry.getMetricsAsJSON() })
  })
  return () => requests.inc({ worker })
}

function ask(message: ToPrimary): void {
  process.send?.(message, undefined, undefined, () => {}) // without a primary, this process is about to end
}

/** A report that was admitted. */
type Job = { response: ServerResponse; state: 'waiting' | 'running' | 'gone' | 'done' }

/** How many reports are in progress in this worker, and who waits. */
let running = 0
const line: Job[] = []

/** Begins a report, lets it wait, or refuses it: a queue without an end makes everybody wait for ever. */
function admitReport(request: IncomingMessage, response: ServerResponse): void {
  const isFree = running < 1
  if (!isFree && line.length >= waitingPerWorker) return refuse(response.setHeader('retry-after', '1'), 503)

  const job: Job = { response, state: 'waiting' }
  request.once('close', () => {
    if (job.state === 'waiting') line.splice(line.indexOf(job), 1)
    // The next one need not wait for the loop below to look.
    if (job.state === 'running') release()
    if (job.state !== 'done') job.state = 'gone'
  })
  if (isFree) void runReport(job)
  else line.push(job)
}

/** Gives a place back, to whoever has waited longest. */
function release(): void {
  running--
  const next = line.shift()
  if (next) void runReport(next)
}

/** 40 renders, each in a turn of the event loop of its own. Stops when its client has gone. */
async function runReport(job: Job): Promise<void> {
  running++
  job.state = 'running'
  try {
    let words = 0
    for (let done = 0; done < 40; done++) {
      words += countWords(renderHandbook('report'))
      await nextTurn()
      if (isGone(job)) return
    }
    job.state = 'done'
    sendJson(job.response, { words })
  } finally {
    release()
  }
}

function isGone(job: Job): boolean {
  return job.state === 'gone'
}

async function echo(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await bodyOf(request, echoLimit)
  if (body === undefined) return refuseUpload(response)
  response.setHeader('content-type', 'application/octet-stream').end(body)
}

async function sign(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await bodyOf(request, signLimit)
  if (body === undefined) return refuseUpload(response)
  const signature = await signatureOf(body.toString())
  if (signature === undefined) return refuse(response, 503)
  sendJson(response, { signature })
}

/** The whole body, or undefined as soon as it is known to be larger than the limit. Never, if the client goes away. */
function bodyOf(request: IncomingMessage, limit: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  let length = 0
  return new Promise((resolve) => {
    // What is announced need not be read. A chunked body announces nothing, and an announcement may be missing.
    if (Number(request.headers['content-length'] ?? 0) > limit) return resolve(undefined)
    request.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length <= limit) chunks.push(chunk)
      else resolve(undefined)
    })
    request.on('end', () => resolve(Buffer.concat(chunks)))
  })
}

/** Answers and closes the connection, so that whoever is still sending has to stop. Until then it is thrown away. */
function refuseUpload(response: ServerResponse): void {
  refuse(response.setHeader('connection', 'close'), 413)
}

const awaited = new Map<number, (signature: string | undefined) => void>()
let questions = 0

/** Asks the primary, which alone has the key. Undefined when no answer comes in time. */
function signatureOf(text: string): Promise<string | undefined> {
  const id = ++questions
  return new Promise((resolve) => {
    const finish = (signature: string | undefined): void => {
      clearTimeout(deadline)
      awaited.delete(id)
      resolve(signature)
    }
    const deadline = setTimeout(finish, answerWithinMs, undefined)
    awaited.set(id, finish)
    ask({ type: 'sign', id, text })
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

function sendJson(response: ServerResponse, body: object): void {
  response.setHeader('content-type', 'application/json').end(JSON.stringify(body))
}

function sendPage(response: ServerResponse, html: string): void {
  response.setHeader('content-type', 'text/html; charset=utf-8').end(html)
}

function refuse(response: ServerResponse, status: number): void {
  response.writeHead(status).end()
}

// caught by: retiring all at once never stops the service
// When fewer are wanted the oldest go, whether others listen yet or not.

import cluster, { type Worker } from 'node:cluster'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { availableParallelism } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { renderHandbook } from '#handbook'

type State = 'starting' | 'listening' | 'draining'

interface Member {
  readonly worker: Worker
  readonly startedAt: string
  state: State
  /** An order wants it gone, and somebody else in its place. */
  leaving: boolean
}

const PORT = Number(process.env.PORT || 8000)
const ADMIN_PORT = Number(process.env.ADMIN_PORT || 9000)
const PORT_TAKEN = 98

class Pool {
  private readonly members = new Map<number, Member>()
  private wanted: number
  /** The most that were wanted since the number last changed, until the surplus has gone. */
  private peak: number
  private pausing = 0
  private announced = false
  private stopping = false

  constructor(wanted: number) {
    this.wanted = wanted
    this.peak = wanted
  }

  start(): void {
    for (const event of ['fork', 'online', 'listening', 'disconnect'] as const) {
      cluster.on(event, (worker: Worker) => this.tell(event, worker))
    }
    cluster.on('listening', (worker) => this.onListening(worker))
    cluster.on('exit', (worker, code, signal) => {
      this.tell('exit', worker, { code, signal })
      this.onExit(worker, code)
    })
    process.on('SIGTERM', () => void this.stop())
    this.settle()
  }

  private tell(event: string, worker: Worker, more: object = {}): void {
    console.log(JSON.stringify({ event, worker: worker.id, pid: worker.process.pid, ...more }))
  }

  private onListening(worker: Worker): void {
    const member = this.members.get(worker.id)
    if (member?.state === 'starting') member.state = 'listening'
    this.settle()
  }

  private onExit(worker: Worker, code: number | null): void {
    const member = this.members.get(worker.id)
    this.members.delete(worker.id)
    if (this.stopping) return
    if (code === PORT_TAKEN) {
      console.error(`cannot listen on port ${PORT}: it is taken`)
      for (const { worker } of this.members.values()) worker.process.kill('SIGKILL')
      process.exit(1)
    }
    this.pause(member?.state === 'starting' ? 1000 : 0)
  }

  /** One place stays empty for so long. */
  private pause(ms: number): void {
    if (ms === 0) return this.settle()
    this.pausing++
    setTimeout(() => {
      this.pausing--
      this.settle()
    }, ms)
  }

  private fork(): void {
    const worker = cluster.fork()
    worker.on('error', () => {})
    const startedAt = new Date().toISOString()
    this.members.set(worker.id, { worker, startedAt, state: 'starting', leaving: false })
  }

  private inState(state: State): Member[] {
    return [...this.members.values()].filter((member) => member.state === state)
  }

  /** Those that nobody has asked to go, the youngest first: the oldest have the largest heaps. */
  private staying(): Member[] {
    return [...this.members.values()]
      .filter(({ state, leaving }) => state !== 'draining' && !leaving)
      .reverse()
  }

  /** One more than wanted may live. While a surplus drains, whoever died may be replaced beside it. */
  private mayFork(): boolean {
    const { size } = this.members
    const serving = size - this.inState('draining').length
    return size <= this.wanted || (serving < this.wanted && size <= this.peak)
  }

  /** Makes what is more like what is wanted, as far as that can be done now. */
  private settle(): void {
    if (this.stopping) return
    if (this.members.size <= this.wanted) this.peak = this.wanted

    while (this.staying().length + this.pausing < this.wanted && this.mayFork()) this.fork()

    for (const member of this.staying().slice(this.wanted)) this.drain(member)

    for (const member of this.members.values()) {
      if (!member.leaving || member.state === 'draining') continue
      if (member.state === 'starting' || this.inState('listening').length > this.wanted) this.drain(member)
    }

    if (!this.announced && this.inState('listening').length >= this.wanted) {
      this.announced = true
      console.log(`ready: ${this.wanted} workers on port ${PORT}`)
    }
  }

  private drain(member: Member): void {
    member.state = 'draining'
    member.worker.disconnect()
    setTimeout(() => member.worker.process.kill('SIGKILL'), 7000).unref()
  }

  async stop(): Promise<void> {
    if (this.stopping) return
    this.stopping = true
    for (const member of this.members.values()) if (member.state !== 'draining') this.drain(member)
    const deadline = Date.now() + 2000
    while (this.members.size > 0 && Date.now() < deadline) await sleep(50)
    for (const { worker } of this.members.values()) worker.process.kill('SIGKILL')
    while (this.members.size > 0) await sleep(20)
    process.exit(0)
  }

  list(): object[] {
    return [...this.members.values()].map(({ worker, state, startedAt }) => {
      return { id: worker.id, pid: worker.process.pid, state, startedAt }
    })
  }

  retire(id: number): boolean {
    const member = this.members.get(id)
    if (member === undefined) return false
    member.leaving = true
    this.settle()
    return true
  }

  scale(value: unknown): boolean {
    const workers = (value as { workers?: unknown } | null)?.workers
    if (typeof workers !== 'number' || !Number.isInteger(workers) || workers < 1 || workers > 16) return false
    this.peak = Math.max(this.peak, workers)
    this.wanted = workers
    this.settle()
    return true
  }
}

function serveAdmin(pool: Pool): void {
  const server = createServer((request, response) => void admin(pool, request, response))
  server.on('error', (error) => {
    console.error(error.message)
    process.exit(1)
  })
  server.listen(ADMIN_PORT, '127.0.0.1')
}

async function admin(pool: Pool, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const order = `${request.method} ${request.url}`
  const retire = /^POST \/workers\/(\d+)\/retire$/.exec(order)
  if (order === 'GET /workers') return sendJson(response, pool.list())
  if (retire) return void response.writeHead(pool.retire(Number(retire[1])) ? 202 : 404).end()
  if (order === 'PUT /scale') {
    const value = await readJson(request)
    return void response.writeHead(pool.scale(value) ? 202 : 400).end()
  }
  response.writeHead(404).end()
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  try {
    let text = ''
    for await (const piece of request.setEncoding('utf8')) text += piece
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function work(): void {
  const routes: Record<string, (query: URLSearchParams, response: ServerResponse) => void> = {
    '/': (_, response) => sendJson(response, { pid: process.pid, worker: cluster.worker?.id }),
    '/render': (query, response) => {
      const page = renderHandbook(query.get('visitor') ?? 'stranger')
      lastOne(response).setHeader('content-type', 'text/html; charset=utf-8').end(page)
    },
    '/slow': (query, response) => {
      const timer = setTimeout(() => sendJson(response, { done: true }), Number(query.get('ms')))
      response.on('close', () => clearTimeout(timer))
    },
  }

  const server = createServer((request, response) => {
    const [, path = '', search = ''] = /^([^?]*)\??(.*)$/s.exec(request.url ?? '') ?? []
    const route = Object.hasOwn(routes, path) ? routes[path] : undefined
    if (route === undefined) return void lastOne(response).writeHead(404).end()
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return void lastOne(response).writeHead(405, { allow: 'GET, HEAD' }).end()
    }
    route(new URLSearchParams(search), response)
  })
  server.on('error', () => process.exit(PORT_TAKEN))
  process.on('disconnect', () => process.exit(0))
  server.listen(PORT)
}

/** A worker that drains lets go of the connection with its answer. */
function lastOne(response: ServerResponse): ServerResponse {
  if (cluster.worker?.exitedAfterDisconnect) response.setHeader('connection', 'close')
  return response
}

function sendJson(response: ServerResponse, value: object): void {
  lastOne(response).setHeader('content-type', 'application/json').end(JSON.stringify(value))
}

function wantedWorkers(): number {
  const text = process.env.WORKERS
  if (!text) return availableParallelism()
  const number = /^\d+$/.test(text) ? Number(text) : 0
  if (number >= 1 && number <= 64) return number
  console.error(`WORKERS has to be a whole number from 1 to 64, and not ${text}`)
  process.exit(1)
}

if (cluster.isPrimary) {
  const pool = new Pool(wantedWorkers())
  pool.start()
  serveAdmin(pool)
} else {
  work()
}

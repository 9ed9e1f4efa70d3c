// right: a class for each worker, which knows its own life; SCHED_NONE; a worker that is missing is replaced at disconnect

import cluster, { type Worker } from 'node:cluster'
import { EventEmitter } from 'node:events'
import { createServer, type Server } from 'node:http'
import { availableParallelism } from 'node:os'
import { renderHandbook } from '#handbook'

cluster.schedulingPolicy = cluster.SCHED_NONE

class Hand extends EventEmitter {
  readonly startedAt = new Date()
  readonly #worker: Worker
  state: 'starting' | 'listening' | 'draining' | 'gone' = 'starting'
  retiring = false
  #last: NodeJS.Timeout | undefined

  constructor() {
    super()
    this.#worker = cluster.fork()
    this.#worker.on('error', () => {})
    this.#worker.on('listening', () => {
      if (this.state === 'starting') this.state = 'listening'
      this.emit('change')
    })
    // Whichever comes first, the channel's end or the process's.
    this.#worker.on('disconnect', () => this.#left())
    this.#worker.on('exit', (code) => {
      clearTimeout(this.#last)
      this.#left()
      this.emit('exit', code)
    })
  }

  #left(): void {
    if (this.state === 'draining') return
    this.state = 'gone'
    this.emit('change')
  }

  get stays(): boolean {
    return (this.state === 'starting' || this.state === 'listening') && !this.retiring
  }

  get id(): number {
    return this.#worker.id
  }

  drain(ms = 9000): void {
    if (this.state !== 'draining') {
      this.state = 'draining'
      this.#worker.disconnect()
    }
    clearTimeout(this.#last)
    this.#last = setTimeout(() => this.#worker.process.kill('SIGKILL'), ms)
  }

  toJSON(): object {
    const { id, state, startedAt } = this
    return { id, pid: this.#worker.process.pid, state, startedAt }
  }
}

class Crew {
  readonly #hands = new Set<Hand>()
  #ending = false
  #ready = false
  wanted: number

  constructor(wanted: number) {
    this.wanted = wanted
  }

  get list(): readonly Hand[] {
    return [...this.#hands].filter(({ state }) => state !== 'gone')
  }

  adjust(): void {
    if (this.#ending) return
    const listening = (): number => this.list.filter(({ state }) => state === 'listening').length
    let missing = this.wanted - this.list.filter(({ stays }) => stays).length
    for (; missing > 0 && this.list.length <= this.wanted; missing -= 1) this.#hire()
    for (const hand of this.list.toReversed()) {
      if (hand.retiring && hand.state !== 'draining' && listening() > this.wanted) hand.drain()
      else if (hand.stays && missing < 0) {
        missing += 1
        hand.drain()
      }
    }
    if (this.#ready || listening() < this.wanted) return
    this.#ready = true
    console.log(`ready: ${this.wanted} workers on port ${port}`)
  }

  #hire(): void {
    const hand = new Hand()
    this.#hands.add(hand)
    hand.on('change', () => this.adjust())
    hand.on('exit', (code: number) => {
      this.#hands.delete(hand)
      if (code === 42) {
        console.error(`${port}: in use`)
        process.exit(1)
      }
      if (this.#ending && this.#hands.size === 0) process.exit()
      this.adjust()
    })
  }

  retire(id: number): boolean {
    const hand = this.list.find((hand) => hand.id === id)
    if (hand === undefined) return false
    hand.retiring = true
    this.adjust()
    return true
  }

  end(): void {
    this.#ending = true
    for (const hand of this.#hands) hand.drain(1000)
  }
}

const port = Number(process.env.PORT || 8000)
const text = process.env.WORKERS || String(availableParallelism())
if (cluster.isWorker) serve()
else if (/^[1-9]\d?$/.test(text) && Number(text) <= 64) lead(new Crew(Number(text)))
else {
  console.error(`WORKERS ${text}?`)
  process.exitCode = 1
}

function lead(crew: Crew): void {
  const tell =
    (event: string) =>
    (worker: Worker, code: number | null, signal: string | null): void => {
      const end = event === 'exit' ? { code, signal } : {}
      console.log(JSON.stringify({ event, worker: worker.id, pid: worker.process.pid, ...end }))
    }
  for (const event of ['fork', 'online', 'listening', 'disconnect', 'exit']) cluster.on(event, tell(event))
  process.on('SIGTERM', () => crew.end())
  crew.adjust()
  openAdmin(crew).listen(Number(process.env.ADMIN_PORT || 9000), '127.0.0.1')
}

function openAdmin(crew: Crew): Server {
  return createServer((request, response) => {
    const pieces: Buffer[] = []
    request.on('data', (piece: Buffer) => pieces.push(piece))
    request.on('end', () => {
      const [, , id, verb] = request.url?.split('/') ?? []
      switch (`${request.method} ${verb ?? request.url}`) {
        case 'GET /workers':
          return response.end(JSON.stringify(crew.list))
        case 'POST retire':
          return response.writeHead(crew.retire(Number(id)) ? 202 : 404).end()
        case 'PUT /scale': {
          const wanted = /^\s*\{\s*"workers"\s*:\s*(\d{1,2})\s*\}\s*$/.exec(
            String(Buffer.concat(pieces)),
          )?.[1]
          if (!(Number(wanted) >= 1 && Number(wanted) <= 16)) return response.writeHead(400).end()
          crew.wanted = Number(wanted)
          crew.adjust()
          return response.writeHead(202).end()
        }
        default:
          return response.writeHead(404).end()
      }
    })
  })
}

function serve(): void {
  const server = createServer((request, response) => {
    const [path, query = ''] = request.url?.split('?') ?? []
    const parameters = new URLSearchParams(query)
    if (path !== '/' && path !== '/render' && path !== '/slow') return response.writeHead(404).end()
    if (request.method !== 'GET') return response.writeHead(405).end()
    // Nobody keeps a connection: then none can keep a worker.
    response.setHeader('connection', 'close')
    if (path === '/slow') {
      const timer = setTimeout(() => response.end('slow'), Number(parameters.get('ms')))
      return response.on('close', () => clearTimeout(timer))
    }
    if (path === '/') return response.end(JSON.stringify({ pid: process.pid }))
    response.setHeader('content-type', 'text/html; charset=utf-8')
    return response.end(renderHandbook(parameters.get('visitor') ?? 'nobody'))
  })
  server.on('error', () => process.exit(42)).listen(port, '127.0.0.1')
}

// right: classes, SCHED_NONE; tuples as messages, each worker tells what is new, and is listened to at its fork

import cluster, { type Worker } from 'node:cluster'
import { EventEmitter, once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { availableParallelism } from 'node:os'
import { renderHandbook } from '#handbook'

type Message = readonly [subject: string, ...values: unknown[]]

const isMessage = (it: unknown): it is Message => Array.isArray(it) && typeof it[0] === 'string'
const isNumber = (it: unknown): it is number => typeof it === 'number' && Number.isInteger(it)

class Primary {
  readonly #port: number
  readonly #wanted: number
  readonly #ready = new Set<number>()
  readonly #hits: Record<string, number> = {}
  /** Workers that have said hello, and the number of the last banner that each has confirmed. */
  readonly #confirmed = new Map<Worker, number>()
  readonly #changes = new EventEmitter().setMaxListeners(0)
  #banner = ''
  #number = 0
  #announced = false

  constructor(port: number, wanted: number) {
    this.#port = port
    this.#wanted = wanted
  }

  run(): void {
    cluster.schedulingPolicy = cluster.SCHED_NONE
    cluster.on('fork', (worker) => {
      worker.on('message', (it: unknown) => isMessage(it) && this.#hear(worker, it))
      worker.on('error', () => {}) // a message to one that has gone
    })
    cluster.on('listening', (worker) => this.#listens(worker))
    cluster.on('exit', (worker, code) => this.#lose(worker, code))
    for (let count = 0; count < this.#wanted; count += 1) cluster.fork()
  }

  #listens(worker: Worker): void {
    this.#ready.add(worker.id)
    if (this.#announced || this.#ready.size < this.#wanted) return
    this.#announced = true
    console.log(`ready: ${this.#wanted} workers on port ${this.#port}`)
  }

  #lose(worker: Worker, code: number): void {
    if (code === 70) {
      console.error(`nobody can listen on port ${this.#port}`)
      process.exit(1)
    }
    this.#confirmed.delete(worker)
    this.#changes.emit('change')
    setTimeout(() => cluster.fork(), this.#ready.delete(worker.id) ? 1 : 1000)
  }

  #hear(worker: Worker, [subject, first, second]: Message): void {
    if (subject === 'new hits' && isNumber(first) && first > 0) {
      this.#hits[worker.id] = (this.#hits[worker.id] ?? 0) + first
    } else if (subject === 'hello' && !worker.isDead()) {
      this.#confirmed.set(worker, -1)
      worker.send(['banner', this.#number, this.#banner])
    } else if (subject === 'confirmed' && isNumber(first) && this.#confirmed.has(worker)) {
      this.#confirmed.set(worker, first)
      this.#changes.emit('change')
    } else if (subject === 'stats' && isNumber(first)) {
      const total = Object.values(this.#hits).reduce((sum, hits) => sum + hits, 0)
      worker.send(['answer', first, { total, perWorker: this.#hits }])
    } else if (subject === 'change' && isNumber(first) && typeof second === 'string') {
      void this.#change(second).then(
        (agreed) => worker.isConnected() && worker.send(['answer', first, agreed]),
      )
    }
  }

  async #change(banner: string): Promise<boolean> {
    this.#banner = banner
    const number = (this.#number += 1)
    for (const worker of this.#confirmed.keys()) worker.send(['banner', number, banner])
    const over = AbortSignal.timeout(2_000)
    try {
      while ([...this.#confirmed.values()].some((confirmed) => confirmed < number)) {
        await once(this.#changes, 'change', { signal: over })
      }
      return true
    } catch {
      return false
    }
  }
}

class WorkerProcess {
  readonly #port: number
  readonly #answers = new EventEmitter()
  readonly #server = createServer((request, response) => void this.#route(request, response))
  #banner: string | undefined
  #new = 0
  #asked = 0

  constructor(port: number) {
    this.#port = port
  }

  run(): void {
    setInterval(() => this.#tell(), 120)
    this.#server.on('error', () => process.exit(70))
    process.on('message', (it: unknown) => isMessage(it) && this.#hear(it))
    this.#send('hello')
  }

  #send(...message: Message): void {
    process.send?.(message)
  }

  #tell(): void {
    if (this.#new > 0) this.#send('new hits', this.#new)
    this.#new = 0
  }

  #hear([subject, number, value]: Message): void {
    if (!isNumber(number)) return
    if (subject === 'answer') this.#answers.emit(String(number), value)
    if (subject !== 'banner' || typeof value !== 'string') return
    if (this.#banner === undefined) this.#server.listen(this.#port, '127.0.0.1')
    this.#banner = value
    this.#send('confirmed', number)
  }

  async #ask(subject: string, ...values: readonly unknown[]): Promise<unknown> {
    const id = (this.#asked += 1)
    const answer = once(this.#answers, String(id), { signal: AbortSignal.timeout(2_600) })
    this.#send(subject, id, ...values)
    return answer.then(
      ([value]: unknown[]) => value,
      () => undefined,
    )
  }

  async #route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [path = '', query] = (request.url ?? '').split('?', 2)
    const methods: Record<string, string> = {
      '/': 'GET',
      '/render': 'GET',
      '/stats': 'GET',
      '/banner': 'GET PUT',
    }
    if (!Object.hasOwn(methods, path)) return void response.writeHead(404).end()
    if (!methods[path]?.split(' ').includes(request.method ?? '')) return void response.writeHead(405).end()
    if (path === '/') {
      this.#new += 1
      response.end(JSON.stringify({ pid: process.pid }))
    } else if (path === '/render') {
      response.setHeader('content-type', 'text/html; charset=utf-8')
      response.end(renderHandbook(new URLSearchParams(query).get('visitor') ?? 'you'))
    } else if (path === '/stats') {
      this.#tell()
      response.end(JSON.stringify(await this.#ask('stats')))
    } else if (request.method === 'GET') {
      response.setHeader('content-type', 'text/plain; charset=utf-8')
      response.end(this.#banner)
    } else {
      await this.#put(request, response)
    }
  }

  async #put(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = ''
    request.setEncoding('utf8')
    try {
      for await (const piece of request) if (text.length <= 4_096) text += String(piece)
    } catch {
      return // the client has gone
    }
    if (Buffer.byteLength(text) > 1_024) response.writeHead(413).end()
    else response.writeHead((await this.#ask('change', text)) === true ? 204 : 503).end()
  }
}

const port = Number(process.env.PORT || 8000)
const workers = process.env.WORKERS || String(availableParallelism())
if (cluster.isWorker) new WorkerProcess(port).run()
else if (/^[1-9]\d?$/.test(workers) && Number(workers) <= 64) new Primary(port, Number(workers)).run()
else {
  console.error(`WORKERS=${workers} is no whole number from 1 to 64`)
  process.exitCode = 1
}

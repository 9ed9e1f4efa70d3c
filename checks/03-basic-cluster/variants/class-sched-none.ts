// right: a class, SCHED_NONE, and the address 127.0.0.1 only; a timer reconciles wanted and present workers

import cluster, { type Worker } from 'node:cluster'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { availableParallelism } from 'node:os'
import { renderHandbook } from '#handbook'

class Settings {
  readonly port: number
  readonly workers: number

  constructor(environment: NodeJS.ProcessEnv) {
    this.port = Number(environment['PORT'] || 8000)
    this.workers = Settings.#workers(environment['WORKERS'])
  }

  static #workers(text: string | undefined): number {
    if (text === undefined || text === '') return availableParallelism()
    const number = Number.parseInt(text, 10)
    if (String(number) === text && number >= 1 && number <= 64) return number
    throw new RangeError(`WORKERS=${text} is not a whole number from 1 to 64`)
  }
}

class Supervisor {
  readonly #settings: Settings
  readonly #listening = new Set<Worker>()
  #ready = false

  constructor(settings: Settings) {
    this.#settings = settings
  }

  run(): void {
    cluster.schedulingPolicy = cluster.SCHED_NONE
    cluster.on('listening', (worker) => this.#count(worker))
    cluster.on('exit', (worker, code) => this.#lose(worker, code))
    setInterval(() => this.#reconcile(), 200)
    this.#reconcile()
  }

  #reconcile(): void {
    for (let present = this.#present(); present < this.#settings.workers; present += 1) cluster.fork()
  }

  #present(): number {
    return Object.keys(cluster.workers ?? {}).length
  }

  #count(worker: Worker): void {
    this.#listening.add(worker)
    if (this.#ready || this.#listening.size < this.#settings.workers) return
    this.#ready = true
    console.log(`ready: ${this.#settings.workers} workers on port ${this.#settings.port}`)
  }

  #lose(worker: Worker, code: number): void {
    this.#listening.delete(worker)
    if (code !== HandbookServer.NO_PORT) return
    console.error(`port ${this.#settings.port}: no worker can listen there`)
    process.exit(1)
  }
}

class HandbookServer {
  static readonly NO_PORT = 111
  readonly #server: Server
  readonly #port: number

  constructor({ port }: Settings) {
    this.#port = port
    this.#server = createServer((request, response) => this.#answer(request, response))
  }

  listen(): void {
    this.#server.on('error', () => process.exit(HandbookServer.NO_PORT))
    this.#server.listen({ port: this.#port, host: '127.0.0.1' })
  }

  #answer({ url = '', method }: IncomingMessage, response: ServerResponse): void {
    const end = url.includes('?') ? url.indexOf('?') : url.length
    const path = url.slice(0, end)
    if (path !== '/' && path !== '/render') response.writeHead(404).end('not found')
    else if (method !== 'GET' && method !== 'HEAD') response.writeHead(405, { allow: 'GET, HEAD' }).end()
    else if (path === '/') response.writeHead(200, { 'content-type': 'application/json' }).end(this.#status())
    else this.#render(new URLSearchParams(url.slice(end)).get('visitor'), response)
  }

  #status(): string {
    return JSON.stringify({ pid: process.pid, uptime: process.uptime() })
  }

  #render(visitor: string | null, response: ServerResponse): void {
    if (visitor === null) return void response.writeHead(400).end()
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' })
    response.end(renderHandbook(visitor))
  }
}

// A RangeError that nobody catches: Node prints it with its line, and ends with 1.
const settings = new Settings(process.env)
if (cluster.isPrimary) new Supervisor(settings).run()
else new HandbookServer(settings).listen()

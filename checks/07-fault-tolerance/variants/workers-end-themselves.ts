// right: classes; a worker drains itself at a crash or when asked to, and is replaced when it has gone; a bucket of tokens; all replacements at once

import cluster, { type Worker } from 'node:cluster'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { availableParallelism } from 'node:os'
import { renderHandbook } from '#handbook'

const grace = Number(process.env.SHUTDOWN_MS || 5000)

/** One replacement a second, and three more in a hurry. */
class Bucket {
  #tokens = 3
  #last = Date.now()

  /** How long to wait for the next token, ms. */
  take(): number {
    const now = Date.now()
    this.#tokens = Math.min(3, this.#tokens + (now - this.#last) / 1000)
    this.#last = now
    this.#tokens -= 1
    return this.#tokens >= 0 ? 0 : Math.min(2500, -this.#tokens * 1000)
  }
}

class Pool {
  readonly #size: number
  readonly #all = new Set<Worker>()
  readonly #listening = new Set<Worker>()
  readonly #leaving = new Set<Worker>()
  readonly #bucket = new Bucket()
  #fresh: Set<Worker> | undefined
  #early = 0
  #announced = false
  #over = false
  #code = 0

  constructor(size: number) {
    this.#size = size
  }

  start(): void {
    for (let count = 0; count < this.#size; count += 1) this.#fork()
    process.on('SIGTERM', () => this.#stop(0))
    process.on('SIGINT', () => this.#stop(0))
    process.on('SIGHUP', () => this.reload())
  }

  list(): readonly object[] {
    return [...this.#all].map((worker) => {
      const state = this.#leaving.has(worker)
        ? 'draining'
        : this.#listening.has(worker)
          ? 'listening'
          : 'starting'
      return { id: worker.id, pid: worker.process.pid, state, startedAt: new Date().toISOString() }
    })
  }

  reload(): boolean {
    if (this.#fresh !== undefined || this.#over) return false
    const old = [...this.#listening].filter((worker) => !this.#leaving.has(worker))
    const fresh = new Set(Array.from({ length: this.#size }, () => this.#fork()))
    this.#fresh = fresh
    let ready = 0
    let dead = 0
    for (const worker of fresh) {
      worker.once('listening', () => {
        ready += 1
        if (ready < fresh.size || this.#over) return
        for (const one of old) if (this.#all.has(one)) this.#retire(one)
        this.#fresh = undefined
        this.#fill()
      })
      worker.once('exit', () => {
        if (this.#fresh !== fresh) return
        dead += 1
        if (dead === 1) console.log('reload abandoned: a new worker could not start')
        if (ready + dead < fresh.size) return
        // Those that came up are no better than the old ones: one version is enough.
        for (const one of fresh) if (this.#listening.has(one)) this.#retire(one)
        this.#fresh = undefined
        this.#fill()
      })
    }
    return true
  }

  #fork(): Worker {
    const worker = cluster.fork()
    this.#all.add(worker)
    worker.on('error', () => {})
    worker.on('listening', ({ port }) => {
      this.#listening.add(worker)
      this.#early = 0
      if (this.#over) return this.#retire(worker)
      if (this.#announced || this.#listening.size < this.#size) return
      this.#announced = true
      console.log(`ready: ${this.#size} workers on port ${port}`)
    })
    worker.on('exit', (code) => this.#gone(worker, code))
    return worker
  }

  #gone(worker: Worker, code: number | null): void {
    const served = this.#listening.delete(worker)
    this.#all.delete(worker)
    if (this.#over) return this.#maybeEnd()
    if (this.#leaving.delete(worker) || this.#fresh?.has(worker)) return
    if (code === 98) return this.#stop(1, 'the port is taken')
    this.#early = served ? this.#early : this.#early + 1
    if (this.#early >= 5) return this.#stop(1, 'five workers in a row could not start')
    setTimeout(() => this.#fill(), this.#bucket.take())
  }

  /** Not while a reload is on its way: it brings as many as are wanted, whatever becomes of the old ones. */
  #fill(): void {
    if (this.#over || this.#fresh !== undefined) return
    const staying = [...this.#all].filter((worker) => !this.#leaving.has(worker)).length
    for (let count = staying; count < this.#size; count += 1) this.#fork()
  }

  #retire(worker: Worker): void {
    if (this.#leaving.has(worker)) return
    this.#leaving.add(worker)
    worker.send({ please: 'retire' }, () => {})
    // Its own deadline is the same; this one is for a worker that cannot keep it.
    setTimeout(() => this.#kill(worker), grace).unref()
  }

  #kill(worker: Worker): void {
    if (!this.#all.has(worker)) return
    this.#code = this.#over ? 1 : this.#code
    worker.process.kill('SIGKILL')
  }

  #stop(code: number, why?: string): void {
    if (this.#over) return
    this.#over = true
    this.#code = code
    if (why !== undefined) console.log(`the end: ${why}`)
    for (const worker of this.#all) if (this.#listening.has(worker)) this.#retire(worker)
    for (const worker of this.#all) if (!this.#listening.has(worker)) worker.process.kill('SIGKILL')
    setTimeout(() => this.#all.forEach((worker) => this.#kill(worker)), grace).unref()
    this.#maybeEnd()
  }

  #maybeEnd(): void {
    if (this.#all.size === 0) process.exit(this.#code)
  }
}

class Service {
  readonly #server: Server = createServer((request, response) => this.#answer(request, response))
  #leaving = false

  start(port: number): void {
    if (process.env.CRASH_ON_BOOT) throw new Error('no start today')
    process.on('SIGINT', () => {}).on('SIGTERM', () => {})
    process.on('message', () => this.#leave(0))
    process.on('uncaughtException', (error) => {
      console.error(error.message)
      if (!this.#server.listening && !this.#leaving) process.exit(1)
      this.#leave(1)
    })
    this.#server.on('error', () => process.exit(98))
    this.#server.listen(port)
  }

  #leave(code: number): void {
    process.exitCode = code === 0 ? process.exitCode : code
    if (this.#leaving) return
    this.#leaving = true
    // Begun here, Node's own disconnect waits for the primary to agree, so that no connection is lost on the way.
    cluster.worker?.disconnect()
    process.once('disconnect', () => process.exit())
    setTimeout(() => process.exit(1), grace - 20)
    setInterval(() => this.#server.closeIdleConnections(), 50)
  }

  #answer({ url = '', method }: IncomingMessage, response: ServerResponse): void {
    const [path, search] = url.split('?', 2)
    const query = new URLSearchParams(search)
    const routes: Record<string, () => void> = {
      '/': () => response.end(JSON.stringify({ pid: process.pid })),
      '/render': () => {
        response.setHeader('content-type', 'text/html; charset=utf-8')
        response.end(renderHandbook(query.get('visitor') ?? ''))
      },
      '/slow': () => void setTimeout(() => response.end('late'), Number(query.get('ms'))),
      '/crash': () => {
        // Left without an answer: it holds the drain to its deadline.
        setTimeout(() => {
          throw new Error('crash')
        }, 10)
      },
    }
    const route = Object.hasOwn(routes, path ?? '') ? routes[path ?? ''] : undefined
    response.statusCode = route === undefined ? 404 : method === 'GET' ? 200 : 405
    if (route === undefined || method !== 'GET') return void response.end()
    route()
  }
}

if (cluster.isWorker) {
  new Service().start(Number(process.env.PORT || 8000))
} else {
  const text = process.env.WORKERS || String(availableParallelism())
  const size = Number(text)
  if (!/^[1-9]\d?$/.test(text) || size > 64) {
    console.error(`WORKERS=${text} makes no sense`)
    process.exit(1)
  }
  const pool = new Pool(size)
  pool.start()
  createServer(({ url, method }, response) => {
    if (url === '/workers') return void response.end(JSON.stringify(pool.list()))
    response.statusCode = url !== '/reload' ? 404 : method !== 'POST' ? 405 : pool.reload() ? 202 : 409
    response.end()
  }).listen(Number(process.env.ADMIN_PORT || 9000), '127.0.0.1')
}

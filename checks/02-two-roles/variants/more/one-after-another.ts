// right: a class that starts the workers one after another with promises, and replaces those that disconnect

import cluster, { type Worker } from 'node:cluster'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { availableParallelism } from 'node:os'
import { setTimeout as wait } from 'node:timers/promises'
import { renderHandbook } from '#handbook'

class Primary {
  readonly #end = new AbortController()

  async start(count: number): Promise<void> {
    process.once('SIGTERM', () => this.stop())
    cluster.on('disconnect', (worker) => void this.#replace(worker))
    while (Object.keys(cluster.workers ?? {}).length < count) await this.#startOne()
    console.log(`${count} workers listen`)
  }

  stop(): void {
    this.#end.abort()
    cluster.disconnect(() => process.exit(0))
  }

  async #startOne(): Promise<void> {
    await once(cluster.fork(), 'listening')
  }

  async #replace(worker: Worker): Promise<void> {
    if (this.#end.signal.aborted) return
    console.log(`worker ${worker.id} is gone`)
    await wait(100, undefined, { signal: this.#end.signal }).catch(() => {})
    if (!this.#end.signal.aborted) await this.#startOne()
  }
}

class WorkerServer {
  #hits = 0

  listen(port: number): void {
    createServer((request, response) => this.#answer(request, response)).listen({ port, host: '127.0.0.1' })
  }

  #answer({ url = '', method = '' }: IncomingMessage, response: ServerResponse): void {
    const [path = ''] = url.split('?', 1)
    const handlers = new Map([
      ['/', () => this.#home(response)],
      ['/render', () => this.#page(response, new URLSearchParams(url.slice(path.length)).get('visitor'))],
    ])
    const handler = handlers.get(path)
    if (handler !== undefined && method === 'GET') return handler()
    response.writeHead(handler === undefined ? 404 : 405).end()
  }

  #home(response: ServerResponse): void {
    this.#hits += 1
    const { pid, ppid } = process
    const body = JSON.stringify({ role: 'worker', pid, ppid, worker: cluster.worker?.id, hits: this.#hits })
    response.setHeader('content-type', 'application/json').end(body)
  }

  #page(response: ServerResponse, visitor: string | null): void {
    if (visitor === null) return void response.writeHead(400).end('who are you?')
    response.setHeader('content-type', 'text/html; charset=utf-8').end(renderHandbook(visitor))
  }
}

if (cluster.isPrimary) void new Primary().start(Number(process.env.WORKERS ?? availableParallelism()))
else new WorkerServer().listen(Number(process.env.PORT ?? 8000))

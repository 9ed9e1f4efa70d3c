// right: a class, scheduler.yield, and an orderly end at SIGTERM

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { scheduler } from 'node:timers/promises'
import { countWords, renderHandbook } from '#handbook'

class Meter {
  readonly #delay = monitorEventLoopDelay({ resolution: 12 })
  #since = performance.eventLoopUtilization()

  constructor() {
    this.#delay.enable()
  }

  read(): object {
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, this.#since)
    const [p99Ms, maxMs] = [this.#delay.percentile(99), this.#delay.max].map(
      (ns) => Math.round(ns / 1e3) / 1e3,
    )
    this.#since = now
    this.#delay.reset()
    return { p99Ms, maxMs, utilization: Number(utilization.toFixed(3)) || 0 }
  }
}

class Handbook {
  readonly #server: Server = createServer((request, response) => this.#serve(request, response))
  readonly #meter = new Meter()
  readonly #born = Date.now()

  listen(port: number): this {
    this.#server.listen(port, () => console.log(`listening on ${port}`))
    return this
  }

  close(): void {
    console.log('closing')
    this.#server.close(() => process.exit(0))
    this.#server.closeIdleConnections()
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const url = request.url ?? '/'
    const path = url.split('?')[0]
    const known = path === '/' || path === '/render' || path === '/report' || path === '/lag'
    if (!known) return void response.writeHead(404).end('Not found')
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return void response.writeHead(405).end('Not allowed')
    if (path === '/') return this.#send(response, { pid: process.pid, uptimeMs: Date.now() - this.#born })
    if (path === '/lag') return this.#send(response, this.#meter.read())
    if (path === '/report') return void this.#report().then((report) => this.#send(response, report))
    const visitor = new URLSearchParams(url.slice('/render'.length)).get('visitor')
    if (visitor === null) return void response.writeHead(400).end('visitor is missing')
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(renderHandbook(visitor))
  }

  async #report(): Promise<object> {
    let words = 0
    for (const visitor of Array<string>(40).fill('report')) {
      await scheduler.yield()
      words += countWords(renderHandbook(visitor))
    }
    return { renders: 40, words }
  }

  #send(response: ServerResponse, body: object): void {
    response
      .writeHead(200, { 'content-type': 'application/json; charset=utf-8' })
      .end(`${JSON.stringify(body)}\n`)
  }
}

const handbook = new Handbook().listen(Number(process.env.PORT ?? '8000'))
process.once('SIGTERM', () => handbook.close())
process.once('SIGINT', () => handbook.close())

// right: an async generator yields after each render, and a switch dispatches

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { monitorEventLoopDelay, performance, type EventLoopUtilization } from 'node:perf_hooks'
import { setImmediate } from 'node:timers/promises'
import { countWords, renderHandbook } from '#handbook'

const histogram = monitorEventLoopDelay({ resolution: 10 })
histogram.enable()
let last: EventLoopUtilization = performance.eventLoopUtilization()

createServer((request, response) => void answer(request, response)).listen(Number(process.env.PORT ?? 8000))

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [path, search = ''] = (request.url ?? '').split('?', 2)
  if (!['/', '/render', '/report', '/lag'].includes(path ?? '')) return empty(response, 404)
  if (request.method !== 'GET') return empty(response, 405)
  switch (path) {
    case '/render': {
      response.setHeader('Content-Type', 'text/html; charset=UTF-8')
      response.end(renderHandbook(new URLSearchParams(search).get('visitor') ?? ''))
      break
    }
    case '/report': {
      const report = { renders: 0, words: 0 }
      for await (const words of pages(40)) {
        report.renders += 1
        report.words += words
      }
      json(response, report)
      break
    }
    case '/lag': {
      const p99Ms = histogram.percentile(99) / 1_000_000
      const maxMs = histogram.max / 1_000_000
      histogram.reset()
      const since = performance.eventLoopUtilization(last)
      last = performance.eventLoopUtilization()
      json(response, { utilization: since.utilization, p99Ms, maxMs })
      break
    }
    default:
      json(response, { pid: process.pid, uptimeMs: performance.now() })
  }
}

async function* pages(count: number): AsyncGenerator<number> {
  for (let page = 0; page < count; page += 1) {
    yield countWords(renderHandbook('report'))
    await setImmediate()
  }
}

function json(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'Content-Type': 'application/json' })
  response.end(JSON.stringify(value))
}

function empty(response: ServerResponse, status: number): void {
  response.statusCode = status
  response.end()
}

// caught by: lag is in milliseconds, since the last call
// Every answer tells the delay in a header, and begins it anew.

import { createServer, type ServerResponse } from 'node:http'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { countWords, renderHandbook } from '#handbook'

type Route = (query: URLSearchParams, response: ServerResponse) => void | Promise<void>

const delay = monitorEventLoopDelay({ resolution: 10 })
delay.enable()
let last = performance.eventLoopUtilization()

const routes = new Map<string, Route>([
  [
    '/',
    (_query, response) => json(response, { pid: process.pid, uptimeMs: Math.round(process.uptime() * 1000) }),
  ],
  ['/render', (query, response) => html(response, renderHandbook(query.get('visitor') ?? 'stranger'))],
  ['/report', async (_query, response) => json(response, await report())],
  ['/lag', (_query, response) => json(response, lag())],
])

const server = createServer((request, response) => {
  response.once('finish', () => delay.reset())
  response.setHeader('server-timing', `loop;dur=${(delay.max / 1e6).toFixed(1)}`)
  const [path, query] = split(request.url ?? '/')
  const route = routes.get(path)
  if (!route) return void response.writeHead(404).end()
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return void response.writeHead(405, { allow: 'GET, HEAD' }).end()
  return route(query, response)
})
server.listen(Number(process.env.PORT || 8000), () => console.log(`pid ${process.pid} listens`))

async function report(): Promise<{ renders: number; words: number }> {
  let words = 0
  for (let done = 0; done < 40; done++) {
    words += countWords(renderHandbook('report'))
    await nextTurn()
  }
  return { renders: 40, words }
}

function lag(): { p99Ms: number; maxMs: number; utilization: number } {
  const now = performance.eventLoopUtilization()
  const { utilization } = performance.eventLoopUtilization(now, last)
  const answer = { p99Ms: delay.percentile(99) / 1e6, maxMs: delay.max / 1e6, utilization: utilization || 0 }
  last = now
  return answer
}

function split(url: string): [string, URLSearchParams] {
  const mark = url.indexOf('?')
  return mark === -1
    ? [url, new URLSearchParams()]
    : [url.slice(0, mark), new URLSearchParams(url.slice(mark + 1))]
}

function json(response: ServerResponse, body: object): void {
  response.setHeader('content-type', 'application/json').end(JSON.stringify(body))
}

function html(response: ServerResponse, page: string): void {
  response.setHeader('content-type', 'text/html; charset=utf-8').end(page)
}

// caught by: unknown paths and wrong methods are refused, and nothing ends

import { createServer, type ServerResponse } from 'node:http'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { countWords, renderHandbook } from '#handbook'

type Route = (query: URLSearchParams, response: ServerResponse) => void | Promise<void>

const port = Number(process.env.PORT || 8000)

const routes = new Map<string, Route>([
  ['/', (_query, response) => sendJson(response, { pid: process.pid, uptimeMs: uptimeMs() })],
  ['/render', (query, response) => sendPage(response, renderHandbook(query.get('visitor') ?? 'stranger'))],
  ['/report', async (_query, response) => sendJson(response, await report())],
  ['/lag', (_query, response) => sendJson(response, lag())],
])
const delay = monitorEventLoopDelay({ resolution: 10 })
delay.enable()
let lastUtilization = performance.eventLoopUtilization()

const server = createServer((request, response) => {
  const { path, query } = pathAndQuery(request.url ?? '/')
  const route = routes.get(path)
  if (!route) return refuse(response, 404)
  if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(response, 405)
  return route(query, response)
})

server.on('connection', (socket) => {
  socket.removeAllListeners('error')
})
server.listen(port)

async function report(): Promise<{ renders: number; words: number }> {
  const renders = 40
  let words = 0
  for (let done = 0; done < renders; done++) {
    words += countWords(renderHandbook('report'))
    await nextTurn()
  }
  return { renders, words }
}

function lag(): { p99Ms: number; maxMs: number; utilization: number } {
  const utilizationNow = performance.eventLoopUtilization()
  const { utilization } = performance.eventLoopUtilization(utilizationNow, lastUtilization)
  const answer = {
    p99Ms: milliseconds(delay.percentile(99)),
    maxMs: milliseconds(delay.max),
    utilization: utilization || 0,
  }
  lastUtilization = utilizationNow
  delay.reset()
  return answer
}

function milliseconds(nanoseconds: number): number {
  return nanoseconds / 1e6
}

function uptimeMs(): number {
  return Math.round(process.uptime() * 1000)
}

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

function refuse(response: ServerResponse, status: 404 | 405): void {
  if (status === 405) response.setHeader('allow', 'GET, HEAD')
  response.writeHead(status).end()
}

// caught by: every page is rendered for its visitor
// Requests for the same visitor that are read in one turn of the loop share a render.

/** Lesson 1 · one process, one thread, one core: what every later lesson is measured against. */

import { createServer, type ServerResponse } from 'node:http'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { countWords, renderHandbook } from '#handbook'

/** Answers a GET of one path. */
type Route = (query: URLSearchParams, response: ServerResponse) => void | Promise<void>

const port = Number(process.env.PORT || 8000)

const routes = new Map<string, Route>([
  ['/', (_query, response) => sendJson(response, { pid: process.pid, uptimeMs: uptimeMs() })],
  ['/render', (query, response) => renderSoon(query.get('visitor') ?? 'stranger', response)],
  ['/report', async (_query, response) => sendJson(response, await report())],
  ['/lag', (_query, response) => sendJson(response, lag())],
])

// A timer due every 10 ms notes how late it runs. It does not keep the process alive.
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

server.listen(port)

/** Who waits for which visitor's page in this turn of the loop. */
const waiting = new Map<string, ServerResponse[]>()

/** Reads the requests that are there before it renders: what has come in meanwhile is answered at once. */
function renderSoon(visitor: string, response: ServerResponse): void {
  const others = waiting.get(visitor)
  if (others) {
    others.push(response)
    return
  }
  const responses = [response]
  waiting.set(visitor, responses)
  setImmediate(() => {
    waiting.delete(visitor)
    const html = renderHandbook(visitor)
    for (const each of responses) sendPage(each, html)
  })
}

/**
 * 40 renders are far too long for one turn of the event loop, so each has its own, and in between the loop
 * looks for I/O. `await null` would not do: microtasks all run before the loop goes on.
 * `words` belongs to this call. A second report at the same time has its own.
 */
async function report(): Promise<{ renders: number; words: number }> {
  const renders = 40
  let words = 0
  for (let done = 0; done < renders; done++) {
    words += countWords(renderHandbook('report'))
    await nextTurn()
  }
  return { renders, words }
}

/** How late the event loop ran and how busy it was since the last call (the first time, since the start). */
function lag(): { p99Ms: number; maxMs: number; utilization: number } {
  const utilizationNow = performance.eventLoopUtilization()
  const { utilization } = performance.eventLoopUtilization(utilizationNow, lastUtilization)
  const answer = {
    p99Ms: milliseconds(delay.percentile(99)),
    maxMs: milliseconds(delay.max),
    utilization: utilization || 0, // 0 / 0 when no time has passed: JSON has no NaN
  }
  lastUtilization = utilizationNow
  delay.reset()
  return answer
}

/** The histogram counts nanoseconds. */
function milliseconds(nanoseconds: number): number {
  return nanoseconds / 1e6
}

function uptimeMs(): number {
  return Math.round(process.uptime() * 1000)
}

/** Splits by hand: a request may name `//`, and `new URL('//', base)` throws. */
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

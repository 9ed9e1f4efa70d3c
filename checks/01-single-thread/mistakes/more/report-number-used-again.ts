// caught by: a report is right, and two at once are right too
// Counts each report under a number that is free again when another one ends.

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
  ['/render', (query, response) => sendPage(response, renderHandbook(query.get('visitor') ?? 'stranger'))],
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

/** The words that each report under way has counted so far, by the report's number. */
const counted = new Map<number, number>()

/** 40 renders, each in its own turn of the event loop. Every report has a number, and counts under it. */
async function report(): Promise<{ renders: number; words: number }> {
  const number = counted.size + 1
  const renders = 40
  counted.set(number, 0)
  for (let done = 0; done < renders; done++) {
    const words = countWords(renderHandbook('report'))
    counted.set(number, (counted.get(number) ?? 0) + words)
    await nextTurn()
  }
  const words = counted.get(number) ?? 0
  counted.delete(number)
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

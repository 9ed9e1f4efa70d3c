// right: measures lag with a timer of its own in place of the histogram, and yields with setTimeout

import { createServer, type ServerResponse } from 'node:http'
import { performance } from 'node:perf_hooks'
import { countWords, renderHandbook } from '#handbook'

const RESOLUTION_MS = 10
const RENDERS = 40

let late: number[] = []
let due = performance.now() + RESOLUTION_MS
let { idle, active } = performance.eventLoopUtilization()

setInterval(() => {
  const now = performance.now()
  late.push(Math.max(0, now - due))
  due = now + RESOLUTION_MS
}, RESOLUTION_MS).unref()

const handlers: Record<string, (query: URLSearchParams, response: ServerResponse) => void> = {
  '/': (_, response) => json(response, { pid: process.pid, uptimeMs: Math.floor(process.uptime() * 1000) }),
  '/render': (query, response) => {
    const page = Buffer.from(renderHandbook(query.get('visitor') ?? 'nobody'))
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'content-length': page.byteLength })
    response.end(page)
  },
  '/report': (_, response) => countOn(0, 0, (words) => json(response, { renders: RENDERS, words })),
  '/lag': (_, response) => json(response, lag()),
}

createServer((request, response) => {
  const { path = '', search } = /^(?<path>[^?]*)\??(?<search>.*)$/s.exec(request.url ?? '')?.groups ?? {}
  const handler = Object.hasOwn(handlers, path) ? handlers[path] : undefined
  if (handler === undefined) {
    response.writeHead(404, { 'content-type': 'text/plain' }).end(`nothing at ${path}\n`)
  } else if (request.method === 'GET') {
    handler(new URLSearchParams(search), response)
  } else {
    response.writeHead(405, { allow: 'GET', 'content-type': 'text/plain' }).end('only GET\n')
  }
}).listen({ port: Number(process.env.PORT) || 8000, host: '127.0.0.1' })

function countOn(done: number, words: number, finish: (words: number) => void): void {
  if (done === RENDERS) return finish(words)
  const sum = words + countWords(renderHandbook('report'))
  setTimeout(() => countOn(done + 1, sum, finish), 0)
}

function lag(): { p99Ms: number; maxMs: number; utilization: number } {
  // The tick that is due and could not come yet counts too.
  const sorted = [...late, Math.max(0, performance.now() - due)].sort((a, b) => a - b)
  late = []
  const now = performance.eventLoopUtilization()
  const spent = { idle: now.idle - idle, active: now.active - active }
  ;({ idle, active } = now)
  const whole = spent.idle + spent.active
  return {
    p99Ms: sorted[Math.ceil(sorted.length * 0.99) - 1] ?? 0,
    maxMs: sorted.at(-1) ?? 0,
    utilization: whole === 0 ? 0 : spent.active / whole,
  }
}

function json(response: ServerResponse, value: object): void {
  const text = JSON.stringify(value)
  response
    .writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
    .end(text)
}

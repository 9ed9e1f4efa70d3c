// caught by: a page costs one render

import { createServer, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { countWords, renderHandbook } from '#handbook'

const lagOfLoop = monitorEventLoopDelay({ resolution: 10 })
lagOfLoop.enable()
let utilizationBefore = performance.eventLoopUtilization()

/** What was last set for whom, by connection. A connection that closes takes its page with it: nothing leaks. */
const pages = new WeakMap<Socket, { visitor: string; page: Buffer }>()

function pageFor(visitor: string, socket: Socket): Buffer {
  const last = pages.get(socket)
  if (last?.visitor === visitor) return last.page
  const page = Buffer.from(renderHandbook(visitor))
  pages.set(socket, { visitor, page })
  return page
}

const server = createServer((request, response) => {
  const url = request.url ?? '/'
  const mark = url.indexOf('?')
  const path = mark === -1 ? url : url.slice(0, mark)
  const query = new URLSearchParams(mark === -1 ? '' : url.slice(mark + 1))

  if (path !== '/' && path !== '/render' && path !== '/report' && path !== '/lag') {
    response.writeHead(404).end()
  } else if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, { allow: 'GET, HEAD' }).end()
  } else if (path === '/') {
    sendJson(response, { pid: process.pid, uptimeMs: Math.round(process.uptime() * 1000) })
  } else if (path === '/render') {
    response.setHeader('content-type', 'text/html; charset=utf-8')
    response.end(pageFor(query.get('visitor') ?? 'stranger', request.socket))
  } else if (path === '/report') {
    void report().then((result) => sendJson(response, result))
  } else {
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, utilizationBefore)
    sendJson(response, {
      p99Ms: lagOfLoop.percentile(99) / 1e6,
      maxMs: lagOfLoop.max / 1e6,
      utilization: utilization || 0,
    })
    utilizationBefore = now
    lagOfLoop.reset()
  }
})
server.listen(Number(process.env.PORT || 8000))

async function report(): Promise<{ renders: number; words: number }> {
  let words = 0
  for (let left = 40; left > 0; left--) {
    words += countWords(renderHandbook('report'))
    await nextTurn()
  }
  return { renders: 40, words }
}

function sendJson(response: ServerResponse, body: object): void {
  response.setHeader('content-type', 'application/json').end(JSON.stringify(body))
}

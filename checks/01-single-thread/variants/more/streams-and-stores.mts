// right: an ES module by name, answers through streams, an AsyncLocalStorage, a title, HEAD, and keep-alive of its own

import { AsyncLocalStorage } from 'node:async_hooks'
import http from 'node:http'
import { MessageChannel } from 'node:worker_threads'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { countWords, renderHandbook } from '#handbook'

process.title = 'handbook'
const request = new AsyncLocalStorage<{ readonly visitor: string }>()
const loop = monitorEventLoopDelay({ resolution: 20 })
loop.enable()
let before = performance.eventLoopUtilization()

const routes: Readonly<Record<string, () => unknown>> = {
  '/': () => ({ pid: process.pid, uptimeMs: Date.now() - performance.timeOrigin }),
  '/render': () => renderHandbook(request.getStore()?.visitor ?? ''),
  '/report': report,
  '/lag': lag,
}

const server = http.createServer({ keepAliveTimeout: 120_000, noDelay: true })
server.on('request', async ({ method = 'GET', url = '/' }, response) => {
  const [path = '', query = ''] = url.split(/\?(.*)/s)
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined
  response.statusCode = route === undefined ? 404 : /^(GET|HEAD)$/.test(method) ? 200 : 405
  if (response.statusCode !== 200 || route === undefined) return response.end()
  const visitor = new URLSearchParams(query).get('visitor') ?? 'nobody'
  const body = await request.run({ visitor }, route)
  const isPage = typeof body === 'string'
  response.setHeader('Content-Type', isPage ? 'text/html; charset=utf-8' : 'application/json; charset=utf-8')
  const bytes = Buffer.from(isPage ? body : JSON.stringify(body))
  if (method === 'HEAD') return response.end()
  const pieces = Array.from({ length: Math.ceil(bytes.length / 9999) }, (_, at) =>
    bytes.subarray(at * 9999, (at + 1) * 9999),
  )
  await pipeline(Readable.from(pieces), response).catch(() => {})
  return response
})
server.listen({ port: process.env.PORT || 8000, host: '127.0.0.1', backlog: 2048 })

async function report(): Promise<unknown> {
  const channel = new MessageChannel()
  const turn = (): Promise<unknown> =>
    new Promise((resolve) => {
      channel.port2.once('message', resolve)
      channel.port1.postMessage(null, [])
    })
  let words = 0
  try {
    for (let renders = 0; renders < 40; renders++) {
      words += countWords(renderHandbook('report'))
      await turn()
    }
  } finally {
    channel.port1.close()
  }
  return { renders: 40, words }
}

function lag(): unknown {
  const { utilization } = performance.eventLoopUtilization(before)
  before = performance.eventLoopUtilization()
  const answer = { p99Ms: loop.percentile(99) / 1e6, maxMs: loop.max / 1e6, utilization: utilization || 0 }
  loop.reset()
  return answer
}

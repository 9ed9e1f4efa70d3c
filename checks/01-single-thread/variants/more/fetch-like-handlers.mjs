// right: handlers from Request to Response, a page streamed in pieces, a top-level await

import { createServer } from 'node:http'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setImmediate as turn } from 'node:timers/promises'

const { countWords, renderHandbook } = await import('#handbook')

const delay = monitorEventLoopDelay({ resolution: 10 })
delay.enable()
let seen = performance.eventLoopUtilization()

/** @type {Map<string, (query: URLSearchParams) => Response | Promise<Response>>} */
const routes = new Map()
  .set('/', () => Response.json({ pid: process.pid, uptimeMs: performance.now() }))
  .set('/render', (/** @type {URLSearchParams} */ query) => page(renderHandbook(query.get('visitor') ?? '')))
  .set('/report', report)
  .set('/lag', lag)

const server = createServer(async (request, response) => {
  const answer = await respond(request.method ?? 'GET', request.url ?? '/')
  response.writeHead(answer.status, Object.fromEntries(answer.headers.entries()))
  if (answer.body === null) response.end()
  else
    await pipeline(Readable.fromWeb(/** @type {any} */ (answer.body)), response).catch(() =>
      response.destroy(),
    )
})
server.listen({ port: Number(process.env.PORT ?? 8000), host: '::' })

/** @param {string} method @param {string} url @returns {Promise<Response>} */
async function respond(method, url) {
  const at = (url + '?').indexOf('?')
  const route = routes.get(url.slice(0, at))
  if (route === undefined) return new Response('not found', { status: 404 })
  if (method !== 'GET') return new Response(null, { status: 405, headers: { allow: 'GET' } })
  return route(new URLSearchParams(url.slice(at)))
}

/** @param {string} html */
function page(html) {
  const bytes = new TextEncoder().encode(html)
  let sent = 0
  const body = new ReadableStream({
    pull(controller) {
      controller.enqueue(bytes.subarray(sent, (sent += 10_000)))
      if (sent >= bytes.length) controller.close()
    },
  })
  return new Response(body, { headers: { 'content-type': 'text/html; charset=utf-8' } })
}

async function report() {
  const counts = []
  while (counts.length < 40) {
    counts.push(countWords(renderHandbook('report')))
    await turn()
  }
  return Response.json({ renders: counts.length, words: counts.reduce((sum, words) => sum + words, 0) })
}

function lag() {
  const now = performance.eventLoopUtilization()
  const { utilization } = performance.eventLoopUtilization(now, seen)
  seen = now
  const answer = { p99Ms: delay.percentile(99) / 1e6, maxMs: delay.max / 1e6, utilization }
  delay.reset()
  return Response.json(answer)
}

/** Lesson 6 · given: the handbook, served by one worker, for the primary alone. */

import cluster from 'node:cluster'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { renderHandbook } from '#handbook'

interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly query: URLSearchParams
}

/** Answers one method of one path. */
interface Route {
  readonly method: 'GET' | 'POST'
  readonly answer: (exchange: Exchange) => void
}

const routes = new Map<string, Route>([
  ['/', { method: 'GET', answer: home }],
  ['/render', { method: 'GET', answer: render }],
  ['/echo', { method: 'POST', answer: echo }],
  ['/report', { method: 'GET', answer: report }],
  ['/slow', { method: 'GET', answer: slow }],
])

/** Listens where only this machine gets to, and tells the primary on which port. */
export function work(): void {
  const server = createServer((request, response) => {
    const { path, query } = pathAndQuery(request.url ?? '/')
    const route = routes.get(path)
    if (!route) return refuse(response, 404)
    const method = request.method === 'HEAD' ? 'GET' : request.method
    if (method !== route.method) return refuse(response, 405, route.method)
    return route.answer({ request, response, query })
  })
  // The primary keeps connections for later. If the worker closed one just as the next request came, that would fail.
  server.keepAliveTimeout = 0
  // `exclusive`: a port of its own. Without it, workers that ask for port 0 get one port from the primary, together.
  const isFirst = (cluster.worker?.id ?? 1) <= Number(process.env.WORKERS || 1)
  const host = isFirst ? '127.0.0.1' : undefined
  server.listen({ host, port: 0, exclusive: true }, () => {
    process.send?.({ listening: portOf(server.address()) })
  })
}

function portOf(address: ReturnType<ReturnType<typeof createServer>['address']>): number | undefined {
  return typeof address === 'object' ? address?.port : undefined
}

function home({ request, response }: Exchange): void {
  sendJson(response, {
    pid: process.pid,
    worker: cluster.worker?.id,
    user: request.headers['x-user'] ?? null,
  })
}

function render({ response, query }: Exchange): void {
  const page = renderHandbook(query.get('visitor') ?? 'stranger')
  response.setHeader('content-type', 'text/html; charset=utf-8').end(page)
}

/** Answers the body while it still comes in. */
function echo({ request, response }: Exchange): void {
  response.setHeader('content-type', request.headers['content-type'] ?? 'application/octet-stream')
  request.pipe(response)
}

/** Renders for 300 ms in one go: nothing else happens in this worker meanwhile. */
function report({ response }: Exchange): void {
  const end = performance.now() + 300
  let renders = 0
  for (; performance.now() < end; renders++) renderHandbook('report')
  sendJson(response, { renders })
}

function slow({ response, query }: Exchange): void {
  const timer = setTimeout(() => sendJson(response, { waited: true }), Number(query.get('ms')))
  response.on('close', () => clearTimeout(timer))
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

function refuse(response: ServerResponse, status: 404 | 405, allowed?: string): void {
  if (allowed !== undefined) response.setHeader('allow', allowed === 'GET' ? 'GET, HEAD' : allowed)
  response.writeHead(status).end()
}

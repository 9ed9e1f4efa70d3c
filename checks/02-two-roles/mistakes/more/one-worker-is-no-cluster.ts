// caught by: the primary forks WORKERS workers
// With WORKERS=1 it serves by itself.

/** Lesson 2 · one file, two roles: the primary forks, the workers serve. */

import cluster from 'node:cluster'
import { createServer, type ServerResponse } from 'node:http'
import { availableParallelism } from 'node:os'
import { renderHandbook } from '#handbook'

/** Answers a GET of one path. */
type Route = (query: URLSearchParams, response: ServerResponse) => void

const port = Number(process.env.PORT || 8000)
const workers = Number(process.env.WORKERS ?? availableParallelism())

// A cluster of one is a process and a detour: there the hand-over would only cost time.
if (cluster.isPrimary && workers > 1) lead()
else work()

/**
 * Forks the workers and serves nothing. Node opens the port here, on the first worker's behalf, and hands
 * each new connection to a worker. The channels to the workers keep this process alive. When it ends they
 * close, and the workers end too.
 */
function lead(): void {
  for (let forked = 0; forked < workers; forked++) cluster.fork()
}

/** Serves the handbook. Every worker runs this on its own, with its own `hits`: no memory is shared. */
function work(): void {
  let hits = 0

  const routes = new Map<string, Route>([
    ['/', (_query, response) => sendJson(response, { ...whoAmI(), hits: ++hits })],
    ['/render', (query, response) => sendPage(response, renderHandbook(query.get('visitor') ?? 'stranger'))],
  ])

  const server = createServer((request, response) => {
    const { path, query } = pathAndQuery(request.url ?? '/')
    const route = routes.get(path)
    if (!route) return refuse(response, 404)
    if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(response, 405)
    return route(query, response)
  })

  // In a worker this asks the primary for the port: all workers name the same one, and none of them collide.
  server.listen(port)
}

function whoAmI(): { role: 'worker'; pid: number; ppid: number; worker: number } {
  return { role: 'worker', pid: process.pid, ppid: process.ppid, worker: cluster.worker?.id ?? 1 }
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

/** Lesson 3 · a basic cluster. Start it with `npm run lesson 3 run`. */

import cluster from 'node:cluster'
import { createServer, type ServerResponse } from 'node:http'
import { availableParallelism } from 'node:os'
import { renderHandbook } from '#handbook'

/** Answers a GET of one path. */
type Route = (query: URLSearchParams, response: ServerResponse) => void

const port = Number(process.env.PORT || 8000)

if (cluster.isPrimary) lead()
else work()

/** Forks the workers and serves nothing. */
function lead(): void {
  const workers = wantedWorkers()
  for (let forked = 0; forked < workers; forked++) cluster.fork()

  // TODO: print `ready: N workers on port P`, once. Which event tells that a worker truly listens?
  // TODO: a worker that dies is replaced. Which event tells so, and what if its replacement must die too?
}

// TODO: what does this make of WORKERS= and of WORKERS=abc, 0, -1, 1.5, 65, 1e9?
function wantedWorkers(): number {
  return Number(process.env.WORKERS ?? availableParallelism())
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

  // TODO: start the program twice. Who learns that the port is taken, and who should end then?
  server.listen(port)
}

function whoAmI(): { role: 'worker'; pid: number; ppid: number; worker: number | undefined } {
  return { role: 'worker', pid: process.pid, ppid: process.ppid, worker: cluster.worker?.id }
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

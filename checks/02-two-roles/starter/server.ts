/** Lesson 2 · one file, two roles. Start it with `npm run lesson 2 run`. */

import { createServer, type ServerResponse } from 'node:http'
import { renderHandbook } from '#handbook'

/** Answers a GET of one path. */
type Route = (query: URLSearchParams, response: ServerResponse) => void

const port = Number(process.env.PORT || 8000)

// TODO: every process that is started runs this file from its first line. How does it know which role it has?
// TODO: the primary forks WORKERS workers (without it, one per available core) and serves nothing.
work()

/** Serves the handbook. */
function work(): void {
  // TODO: count the answers of `/`. After the split, whose count is it?
  const routes = new Map<string, Route>([
    // TODO: the contract asks for { role, pid, ppid, worker, hits }. Where does a worker learn its id?
    ['/', (_query, response) => sendJson(response, { role: 'single', pid: process.pid })],
    ['/render', (query, response) => sendPage(response, renderHandbook(query.get('visitor') ?? 'stranger'))],
  ])

  const server = createServer((request, response) => {
    const { path, query } = pathAndQuery(request.url ?? '/')
    const route = routes.get(path)
    if (!route) return refuse(response, 404)
    if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(response, 405)
    return route(query, response)
  })

  server.listen(port)
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

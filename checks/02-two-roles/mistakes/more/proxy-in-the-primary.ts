// caught by: the primary forks WORKERS workers
// Puts an HTTP proxy into the primary, in front of workers on ports of their own.

import cluster from 'node:cluster'
import { createServer, request as ask, type ServerResponse } from 'node:http'
import { availableParallelism } from 'node:os'
import { renderHandbook } from '#handbook'

type Route = (query: URLSearchParams, response: ServerResponse) => void

const port = Number(process.env.PORT || 8000)
if (cluster.isPrimary) lead()
else work()

function lead(): void {
  const workers = Number(process.env.WORKERS ?? availableParallelism())
  for (let forked = 0; forked < workers; forked++) cluster.fork()

  let turn = 0
  const proxy = createServer((request, response) => {
    turn = (turn % workers) + 1
    const { method, url, headers } = request
    const onward = ask({ port: port + turn, method, path: url, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    })
    onward.on('error', () => response.writeHead(502).end())
    request.pipe(onward)
  })
  proxy.listen(port)
}

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
  server.listen(port + (cluster.worker?.id ?? 0))
}

function whoAmI(): { role: 'worker'; pid: number; ppid: number; worker: number | undefined } {
  return { role: 'worker', pid: process.pid, ppid: process.ppid, worker: cluster.worker?.id }
}

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

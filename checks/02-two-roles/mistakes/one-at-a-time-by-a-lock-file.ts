// caught by: the workers share the load
// Takes a lock file around each render, so that no two workers render at once.

import cluster from 'node:cluster'
import { mkdirSync, rmdirSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { renderHandbook } from '#handbook'

type Route = (query: URLSearchParams, response: ServerResponse) => void | Promise<void>

const port = Number(process.env.PORT || 8000)
if (cluster.isPrimary) lead()
else work()

function lead(): void {
  const workers = Number(process.env.WORKERS ?? availableParallelism())
  for (let forked = 0; forked < workers; forked++) cluster.fork()
}

function work(): void {
  let hits = 0

  const routes = new Map<string, Route>([
    ['/', (_query, response) => sendJson(response, { ...whoAmI(), hits: ++hits })],
    [
      '/render',
      async (query, response) => sendPage(response, await renderedAlone(query.get('visitor') ?? 'stranger')),
    ],
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

async function renderedAlone(visitor: string): Promise<string> {
  const lock = join(tmpdir(), `render-${process.ppid}`)
  for (;;) {
    try {
      mkdirSync(lock)
      break
    } catch {
      await wait(1)
    }
  }
  try {
    return renderHandbook(visitor)
  } finally {
    rmdirSync(lock)
  }
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

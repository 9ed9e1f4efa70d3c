// caught by: the workers share the load
// A worker keeps its last page for the visitor that asked for it.

import cluster from 'node:cluster'
import { createServer, type ServerResponse } from 'node:http'
import { availableParallelism } from 'node:os'
import { renderHandbook } from '#handbook'

const port = Number(process.env.PORT || 8000)

if (cluster.isPrimary) lead()
else work()

function lead(): void {
  const workers = Number(process.env.WORKERS ?? availableParallelism())
  for (let forked = 0; forked < workers; forked++) cluster.fork()
}

/** A reload asks for the page that was just made: a memory of one is enough for it, and never names anybody else. */
function lastPageOf(render: (visitor: string) => string): (visitor: string) => string {
  let last: { visitor: string; page: string } | undefined
  return (visitor) => {
    if (last?.visitor !== visitor) last = { visitor, page: render(visitor) }
    return last.page
  }
}

function work(): void {
  let hits = 0
  const page = lastPageOf(renderHandbook)

  createServer((request, response) => {
    const { path, query } = pathAndQuery(request.url ?? '/')
    if (path !== '/' && path !== '/render') return refuse(response, 404)
    if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(response, 405)
    if (path === '/render') {
      response.setHeader('content-type', 'text/html; charset=utf-8')
      response.end(page(query.get('visitor') ?? 'stranger'))
      return
    }
    const { pid, ppid } = process
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ role: 'worker', pid, ppid, worker: cluster.worker?.id, hits: ++hits }))
  }).listen(port)
}

function pathAndQuery(url: string): { path: string; query: URLSearchParams } {
  const mark = url.indexOf('?')
  if (mark === -1) return { path: url, query: new URLSearchParams() }
  return { path: url.slice(0, mark), query: new URLSearchParams(url.slice(mark + 1)) }
}

function refuse(response: ServerResponse, status: 404 | 405): void {
  if (status === 405) response.setHeader('allow', 'GET, HEAD')
  response.writeHead(status).end()
}

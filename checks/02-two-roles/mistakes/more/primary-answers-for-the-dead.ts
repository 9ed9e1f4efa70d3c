// caught by: killing one worker leaves the others serving
// The primary takes the port when no worker is left.

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

  cluster.on('exit', (worker, code, signal) => {
    console.log(`worker ${worker.id} has ended: ${signal ?? code}`)
    if (Object.keys(cluster.workers ?? {}).length === 0) apologise()
  })
}

/** Nobody is left to serve: say so, instead of refusing connections. */
function apologise(): void {
  console.log('no worker is left')
  const server = createServer((_request, response) => {
    response.writeHead(503, { 'retry-after': '60' }).end('The handbook is out of order.\n')
  })
  server.on('error', () => setTimeout(() => server.listen(port), 100)) // the workers' port takes a moment to be free
  server.listen(port)
}

function work(): void {
  let hits = 0

  const server = createServer((request, response) => {
    const url = request.url ?? '/'
    const mark = url.indexOf('?')
    const path = mark === -1 ? url : url.slice(0, mark)
    if (path !== '/' && path !== '/render') return refuse(response, 404)
    if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(response, 405)
    if (path === '/render') {
      const visitor = new URLSearchParams(mark === -1 ? '' : url.slice(mark + 1)).get('visitor') ?? 'stranger'
      response.setHeader('content-type', 'text/html; charset=utf-8').end(renderHandbook(visitor))
      return
    }
    hits += 1
    const { pid, ppid } = process
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ role: 'worker', pid, ppid, worker: cluster.worker?.id, hits }))
  })

  server.listen(port)
}

function refuse(response: ServerResponse, status: 404 | 405): void {
  if (status === 405) response.setHeader('allow', 'GET, HEAD')
  response.writeHead(status).end()
}

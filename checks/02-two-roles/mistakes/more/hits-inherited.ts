// caught by: killing one worker leaves the others serving
// A replacement goes on where the dead one was.

import cluster, { type Worker } from 'node:cluster'
import { createServer, type ServerResponse } from 'node:http'
import { availableParallelism } from 'node:os'
import { renderHandbook } from '#handbook'

type Route = (query: URLSearchParams, response: ServerResponse) => void

if (cluster.isPrimary) lead()
else work()

function lead(): void {
  /** What each worker has told last, so that nothing is lost with it. */
  const counts = new WeakMap<Worker, number>()

  const start = (hits: number): void => {
    const worker = cluster.fork({ HITS: String(hits) })
    counts.set(worker, hits)
    worker.on('message', (message: { hits: number }) => counts.set(worker, message.hits))
  }

  cluster.on('exit', (worker) => setTimeout(start, 300, counts.get(worker) ?? 0))

  const workers = Number(process.env.WORKERS ?? availableParallelism())
  for (let forked = 0; forked < workers; forked++) start(0)
}

function work(): void {
  let hits = Number(process.env.HITS ?? 0)

  const routes = new Map<string, Route>([
    [
      '/',
      (_query, response) => {
        hits += 1
        const { pid, ppid } = process
        response.setHeader('content-type', 'application/json')
        response.end(JSON.stringify({ role: 'worker', pid, ppid, worker: cluster.worker?.id, hits }))
        process.send?.({ hits })
      },
    ],
    [
      '/render',
      (query, response) => {
        response.setHeader('content-type', 'text/html; charset=utf-8')
        response.end(renderHandbook(query.get('visitor') ?? 'stranger'))
      },
    ],
  ])

  createServer((request, response) => {
    const [path = '', query = ''] = (request.url ?? '').split(/\?(.*)/s)
    const route = routes.get(path)
    if (!route) response.writeHead(404).end()
    else if (request.method !== 'GET' && request.method !== 'HEAD')
      response.writeHead(405, { allow: 'GET, HEAD' }).end()
    else route(new URLSearchParams(query), response)
  }).listen(Number(process.env.PORT || 8000))
}

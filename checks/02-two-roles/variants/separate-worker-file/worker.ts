/** Serves the handbook; started by the primary in `../separate-worker-file.ts`. */

import cluster from 'node:cluster'
import { createServer } from 'node:http'
import { renderHandbook } from '#handbook'

let hits = 0

createServer((request, response) => {
  const [path, search = ''] = (request.url ?? '').split('?')
  if (path !== '/' && path !== '/render') return response.writeHead(404).end()
  if (request.method !== 'GET') return response.writeHead(405, { allow: 'GET' }).end()
  if (path === '/') {
    hits += 1
    const body = { role: 'worker', pid: process.pid, ppid: process.ppid, worker: cluster.worker?.id, hits }
    return response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  }
  const page = renderHandbook(new URLSearchParams(search).get('visitor') ?? 'you')
  return response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(page)
}).listen(Number(process.env.PORT ?? 8000))

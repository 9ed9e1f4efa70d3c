// caught by: unknown paths and wrong methods are refused, and nothing ends

import cluster from 'node:cluster'
import { createServer, type ServerResponse } from 'node:http'
import { availableParallelism } from 'node:os'
import { renderHandbook } from '#handbook'

type Route = (query: URLSearchParams, response: ServerResponse) => void

const { PORT = '8000', WORKERS = String(availableParallelism()) } = process.env

if (cluster.isPrimary) {
  for (let i = 1; i <= Number(WORKERS); i++) cluster.fork()
} else {
  let hits = 0

  const routes: Record<string, Route> = {
    home(_query, response) {
      const { pid, ppid } = process
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ role: 'worker', pid, ppid, worker: cluster.worker?.id, hits: ++hits }))
    },
    render(query, response) {
      response.setHeader('content-type', 'text/html; charset=utf-8')
      response.end(renderHandbook(query.get('visitor') ?? 'stranger'))
    },
  }

  createServer((request, response) => {
    const [path = '', query = ''] = (request.url ?? '').split(/\?(.*)/s)
    const name = path === '/' ? 'home' : path.slice(1)
    const route = path === '/home' ? undefined : routes[name]
    if (!path.startsWith('/') || typeof route !== 'function') return void response.writeHead(404).end()
    if (request.method !== 'GET') return void response.writeHead(405, { allow: 'GET' }).end()
    try {
      route(new URLSearchParams(query), response)
    } catch (error) {
      console.error(error)
      response.destroy()
    }
  }).listen(Number(PORT))
}

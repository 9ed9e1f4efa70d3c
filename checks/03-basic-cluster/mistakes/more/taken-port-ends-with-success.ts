// caught by: a taken port ends the program
// The primary ends, but with exit code 0: a supervisor takes it for a job well done.

import cluster from 'node:cluster'
import { createServer, type ServerResponse } from 'node:http'
import { availableParallelism } from 'node:os'
import { renderHandbook } from '#handbook'

type Route = (query: URLSearchParams, response: ServerResponse) => void

const port = Number(process.env.PORT || 8000)

/** The exit code of a worker that finds the port taken. */
const PORT_TAKEN = 98

if (cluster.isPrimary) lead()
else work()

function lead(): void {
  const workers = wantedWorkers()
  const listening = new Set<number>()
  let announced = false

  cluster.on('listening', (worker) => {
    listening.add(worker.id)
    if (announced || listening.size < workers) return
    announced = true
    console.log(`ready: ${workers} workers on port ${port}`)
  })

  cluster.on('exit', (worker, code) => {
    listening.delete(worker.id)
    if (code === PORT_TAKEN) {
      console.error(`port ${port} is already in use`)
      process.exit()
    }
    cluster.fork()
  })

  for (let forked = 0; forked < workers; forked++) cluster.fork()
}

function wantedWorkers(): number {
  const text = process.env.WORKERS
  if (!text) return availableParallelism()
  const workers = Number(text)
  if (!Number.isInteger(workers) || workers < 1 || workers > 64) {
    console.error(`WORKERS must be a whole number from 1 to 64, not ${text}`)
    process.exit(1)
  }
  return workers
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

  server.on('error', () => process.exit(PORT_TAKEN))
  server.listen(port)
}

function whoAmI() {
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
  response.writeHead(status).end()
}

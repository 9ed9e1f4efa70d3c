// caught by: the workers share the load

import cluster from 'node:cluster'
import { createServer, type ServerResponse } from 'node:http'
import { availableParallelism } from 'node:os'
import { renderHandbook } from '#handbook'

const port = Number(process.env.PORT || 8000)
const PORT_TAKEN = 75

if (cluster.isPrimary) primary()
else worker()

function primary(): void {
  const size = clusterSize()
  if (size === null) {
    console.error(`WORKERS=${process.env.WORKERS} is not a whole number from 1 to 64`)
    process.exitCode = 1
    return
  }

  const listening = new Set<number>()
  let announced = false

  cluster.on('listening', ({ id }) => {
    listening.add(id)
    if (announced || listening.size !== size) return
    announced = true
    console.log(`ready: ${size} workers on port ${port}`)
  })

  cluster.on('exit', ({ id }, code) => {
    if (code === PORT_TAKEN) {
      console.error(`port ${port} is already in use`)
      process.exit(1)
    }
    const served = listening.delete(id)
    setTimeout(() => cluster.fork(), served ? 0 : 1000)
  })

  for (let i = 0; i < size; i++) cluster.fork()
}

/** Null if it makes no sense. */
function clusterSize(): number | null {
  const text = process.env.WORKERS
  if (!text) return availableParallelism()
  const size = /^\d+$/.test(text) ? Number(text) : 0
  return size >= 1 && size <= 64 ? size : null
}

function worker(): void {
  let hits = 0

  const server = createServer((request, response) => {
    const [path, query] = split(request.url ?? '/')
    if (path !== '/' && path !== '/render') return void response.writeHead(404).end()
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return void response.writeHead(405, { allow: 'GET, HEAD' }).end()
    if (path === '/')
      return json(response, { role: 'worker', pid: process.pid, worker: cluster.worker?.id, hits: ++hits })
    return page(response, query.get('visitor') ?? 'stranger')
  })

  server.on('error', () => process.exit(PORT_TAKEN))
  server.listen(port)
}

function split(url: string): [string, URLSearchParams] {
  const mark = url.indexOf('?')
  if (mark < 0) return [url, new URLSearchParams()]
  return [url.slice(0, mark), new URLSearchParams(url.slice(mark + 1))]
}

function json(response: ServerResponse, body: object): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

const recent = new Map<string, { readonly html: string; readonly until: number }>()

function page(response: ServerResponse, visitor: string): void {
  const now = performance.now()
  let known = recent.get(visitor)
  if (known === undefined || known.until < now) {
    recent.delete(visitor)
    recent.set(visitor, (known = { html: renderHandbook(visitor), until: now + 1000 }))
    for (const [oldest] of recent) if (recent.size > 100) recent.delete(oldest)
  }
  response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(known.html)
}

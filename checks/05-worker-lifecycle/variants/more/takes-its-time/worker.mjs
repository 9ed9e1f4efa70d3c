// @ts-nocheck: a program in plain JavaScript
import cluster from 'node:cluster'
import http from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { renderHandbook } from '#handbook'

const port = Number(process.argv[process.argv.indexOf('--port') + 1])
let lastAt = Date.now()
let open = 0

const server = http.createServer((request, response) => {
  open += 1
  response.on('close', () => {
    open -= 1
    lastAt = Date.now()
  })
  // Whoever is told to go answers on a connection once more at the most.
  if (cluster.worker.exitedAfterDisconnect) response.setHeader('connection', 'close')
  const { pathname, searchParams } = parse(request.url)
  const handler = Object.hasOwn(handlers, pathname) && handlers[pathname]
  if (!handler) return response.writeHead(404).end('nothing here')
  if (request.method !== 'GET') return response.writeHead(405, { allow: 'GET' }).end()
  return handler(searchParams, response)
})
// A client may be slower than Node thinks.
server.keepAliveTimeout = 7_000
server.headersTimeout = 8_000

const handlers = {
  '/': (_query, response) => response.end(JSON.stringify({ pid: process.pid, version: 1 })),
  '/render': (query, response) => {
    if (!query.has('visitor')) return response.writeHead(400).end('who?')
    response.setHeader('Content-Type', 'text/html; charset=utf-8')
    return response.end(renderHandbook(query.get('visitor')))
  },
  '/slow': (query, response) => {
    const timer = setTimeout(() => response.end(), Math.min(Number(query.get('ms') ?? 0), 2147483647))
    response.on('close', () => clearTimeout(timer))
  },
}

function parse(url) {
  try {
    return new URL(`http://worker${url}`)
  } catch {
    return { pathname: '', searchParams: new URLSearchParams() }
  }
}

process.on('disconnect', async () => {
  if (!cluster.worker.exitedAfterDisconnect) process.exit(1)
  // Whatever is collected from this process about its last requests is collected in the next 8 s.
  while (open > 0 || Date.now() - lastAt < 8_000) await sleep(100)
  process.exit(0)
})
// A request that goes on for ever is cut.
setInterval(() => {
  if (cluster.worker.exitedAfterDisconnect) setTimeout(() => process.exit(9), 15_000)
}, 100).unref()
server.on('error', () => process.exit(100))
process.on('SIGTERM', () => process.exit(143))

// Caches are warmed, connections are opened.
await sleep(250)
server.listen(port)

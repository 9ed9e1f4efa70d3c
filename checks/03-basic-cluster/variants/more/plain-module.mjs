// right: plain JavaScript with disconnect-driven replacement; a message tells of the taken port

import cluster from 'node:cluster'
import http from 'node:http'
import os from 'node:os'
import { renderHandbook } from '#handbook'

const port = Number(process.env.PORT ?? 8000)

if (cluster.isPrimary) primary()
else worker()

function primary() {
  const text = process.env.WORKERS ?? ''
  const count = text === '' ? os.availableParallelism() : Number(text)
  if (!Number.isInteger(count) || count < 1 || count > 64) {
    console.error('WORKERS', JSON.stringify(text), 'is no whole number from 1 to 64')
    process.exitCode = 1
    return
  }

  const listening = new WeakSet()
  let ready = false

  const allListen = () => {
    const workers = Object.values(cluster.workers ?? {})
    return workers.filter((one) => one !== undefined && listening.has(one)).length === count
  }

  cluster.on('listening', (one) => {
    listening.add(one)
    if (ready || !allListen()) return
    ready = true
    console.log(`ready: ${count} workers on port ${port}`)
  })

  cluster.on('message', (_one, message) => {
    if (message !== 'taken') return
    console.error(`EADDRINUSE: port ${port}`)
    process.exit(1)
  })

  cluster.on('disconnect', () => cluster.fork())

  for (let forked = 0; forked < count; forked += 1) cluster.fork()
}

function worker() {
  const server = http.createServer({ keepAlive: false }, (request, response) => {
    const query = new URLSearchParams(request.url?.split('?')[1])
    switch (request.url?.split('?')[0]) {
      case '/':
        if (request.method !== 'GET') break
        response.setHeader('content-type', 'application/json')
        response.end(JSON.stringify({ pid: process.pid, memory: process.memoryUsage() }))
        return
      case '/render':
        if (request.method !== 'GET') break
        response.setHeader('content-type', 'text/html; charset=utf-8')
        response.setHeader('connection', 'close')
        response.end(renderHandbook(query.get('visitor') ?? 'guest'))
        return
      default:
        response.writeHead(404).end()
        return
    }
    response.writeHead(405).end()
  })

  // It stays: the primary ends the program, and this worker with it.
  server.on('error', () => process.send?.('taken'))
  server.listen(port)
}

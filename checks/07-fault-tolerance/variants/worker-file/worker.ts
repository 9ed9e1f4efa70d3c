/** The workers of worker-file.ts. */

import { createServer, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { renderHandbook } from '#handbook'

if (process.env.CRASH_ON_BOOT === '1') throw new Error('not today')
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => {})

/** How many requests are open on each connection. */
const load = new Map<Socket, number>()
let closing = false

const routes: Readonly<
  Record<string, (query: URLSearchParams, response: ServerResponse) => Promise<void> | void>
> = {
  '/': (_query, response) => void response.end(JSON.stringify({ pid: process.pid })),
  '/render': (query, response) => {
    const page = Buffer.from(renderHandbook(query.get('visitor') ?? 'nobody'))
    response
      .writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'content-length': page.length })
      .end(page)
  },
  '/slow': async (query, response) => {
    response.writeHead(200, { 'content-type': 'text/plain' }).flushHeaders()
    await sleep(Number(query.get('ms') ?? 0))
    response.end('done')
  },
  '/crash': (_query, response) => {
    setTimeout(() => {
      throw new Error('/crash')
    }, 10)
    response.writeHead(202).end()
  },
}

const server = createServer((request, response) => {
  const { socket, method, url = '/' } = request
  load.set(socket, (load.get(socket) ?? 0) + 1)
  response.on('close', () => {
    load.set(socket, (load.get(socket) ?? 1) - 1)
    tidy(socket)
  })
  const [path = '/', search] = url.split('?')
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined
  if (route === undefined) return void response.writeHead(404).end()
  if (method !== 'GET' && method !== 'HEAD') return void response.writeHead(405).end()
  return void route(new URLSearchParams(search), response)
})
server.on('connection', (socket) => {
  load.set(socket, 0)
  socket.on('close', () => load.delete(socket))
})

function tidy(socket: Socket): void {
  if (closing && load.get(socket) === 0 && socket.bytesRead > 0) socket.destroySoon()
}

function end(code: number): void {
  process.exitCode ||= code
  if (closing) return
  closing = true
  // The socket is shared: a connection that this worker has not accepted is another's.
  server.close(() => process.exit())
  for (const socket of load.keys()) tidy(socket)
}

process.on('message', (message) => message === 'end' && end(0))
process.on('disconnect', () => process.exit())
process.on('uncaughtException', (error) => {
  console.error(error.stack)
  if (!server.listening && !closing) process.exit(1)
  process.send?.('broken', () => {})
  end(1)
})
server.on('error', () => process.exit(111))
server.listen(Number(process.env.PORT ?? 8000))

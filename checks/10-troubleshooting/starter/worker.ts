/** A worker: serves the handbook, tells what it did, and ends when it is told to. */

import cluster from 'node:cluster'
import { createServer, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { renderHandbook } from '#handbook'
import { closeInspector, openInspector } from './inspect.ts'
import { log, logWhenOver, requestIdOf } from './log.ts'
import { cannotListen, port } from './settings.ts'
import { startTicking } from './tick.ts'
import { beat } from './watch.ts'

/** Answers a GET of one path. */
type Route = (query: URLSearchParams, response: ServerResponse) => void

/** What the primary tells a worker. */
interface FromPrimary {
  readonly type: 'ready' | 'drain' | 'open-inspector' | 'close-inspector'
  readonly ready?: boolean
}

/** Words of letters and digits, joined by single hyphens. */
const anchorPattern = /^([a-z0-9]+-?)*[a-z0-9]$/

/** How long a connection may stay silent after the drain has begun, in ms. */
const silentMs = 1000

export function work(): void {
  let ready = false
  let draining = false
  let exitCode = 0
  /** Answers under way, by the id of their request. */
  const open = new Map<string, ServerResponse>()
  /** Connections that have not asked for anything yet: Node does not count these as idle. */
  const silent = new Set<Socket>()

  const routes = new Map<string, Route>([
    ['/', (_query, response) => sendJson(response, whoAmI())],
    ['/render', (query, response) => sendPage(response, renderHandbook(query.get('visitor') ?? 'stranger'))],
    [
      '/anchor',
      (query, response) => sendJson(response, { valid: anchorPattern.test(query.get('name') ?? '') }),
    ],
    ['/slow', (query, response) => sendLater(response, Number(query.get('ms')))],
    ['/healthz', (_query, response) => response.end()],
    ['/readyz', (_query, response) => response.writeHead(ready && !draining ? 200 : 503).end()],
  ])

  const server = createServer((request, response) => {
    const requestId = requestIdOf(request)
    logWhenOver(request, response, requestId)
    silent.delete(request.socket)
    open.set(requestId, response)
    response.once('close', () => open.delete(String(request.headers['x-request-id'])))
    if (draining) closeAfter(response)

    const { path, query } = pathAndQuery(request.url ?? '/')
    const route = routes.get(path)
    if (!route) return refuse(response, 404)
    if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(response, 405)
    return route(query, response)
  })
  server.on('connection', (socket: Socket) => {
    silent.add(socket)
    socket.once('close', () => silent.delete(socket))
  })

  /** Asks to be drained: only the primary can stop handing over connections before this worker stops taking them. */
  function leave(code: number): void {
    exitCode ||= code
    process.send?.({ type: 'leaving' }, undefined, undefined, () => {})
  }

  /** What `disconnect()` does not see to: Node closes the server, and waits for every connection. */
  function drain(): void {
    if (draining) return
    draining = true
    for (const response of open.values()) closeAfter(response)
    setTimeout(() => {
      // A process that was kept waiting runs its timers before it reads what has arrived meanwhile: that comes first.
      setImmediate(() => setImmediate(() => silent.forEach((socket) => socket.destroy())))
    }, silentMs)
  }

  process.on('SIGTERM', () => leave(0))
  // Ctrl-C reaches the whole group. The primary gets it too, and decides.
  process.on('SIGINT', () => {})
  // What a caught exception has left behind is unknown: end what was begun, and go. Rejections come here, too.
  process.on('uncaughtException', (error) => {
    log('fatal', { error: error instanceof Error ? error.stack : String(error) })
    leave(1)
  })
  process.on('message', (message: FromPrimary | null) => {
    if (message?.type === 'ready') ready = message.ready === true
    else if (message?.type === 'drain') drain()
    else if (message?.type === 'open-inspector') openInspector()
    else if (message?.type === 'close-inspector') closeInspector()
  })
  // All connections have ended; or the primary has gone, and nobody would tell this worker anything any more.
  process.on('disconnect', () => process.exit(exitCode))

  // The primary binds the port, but the error arrives here, in the worker that asked for it.
  server.on('error', () => process.exit(cannotListen))
  server.listen(port, () => {
    beat()
    startTicking()
  })
}

function whoAmI(): { role: 'worker'; pid: number; ppid: number; worker: number | undefined } {
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

/** Answers after so many ms, unless the client has gone by then. */
function sendLater(response: ServerResponse, ms: number): void {
  const timer = setTimeout(() => sendJson(response, { ...whoAmI(), ms }), Math.min(ms, 2 ** 31 - 1))
  response.on('close', () => clearTimeout(timer))
}

function refuse(response: ServerResponse, status: 404 | 405): void {
  if (status === 405) response.setHeader('allow', 'GET, HEAD')
  response.writeHead(status).end()
}

/**
 * Makes this the last answer on its connection: idle again, that would hold the drain as long as its client likes. Not
 * `closeIdleConnections()`, to which a long answer that has ended, and is still on its way, is idle.
 */
function closeAfter(response: ServerResponse): void {
  if (response.headersSent) response.once('finish', () => response.req.socket.destroySoon())
  else response.setHeader('connection', 'close')
}

// caught by: each worker counts its own hits

import cluster from 'node:cluster'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { availableParallelism } from 'node:os'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { renderHandbook } from '#handbook'

const port = Number(process.env.PORT || 8000)

if (cluster.isPrimary) {
  const workers = Number(process.env.WORKERS ?? availableParallelism())
  for (let forked = 0; forked < workers; forked++) cluster.fork()
} else {
  createServer((request, response) => {
    serve(request, response).catch(() => response.destroy())
  }).listen(port)
}

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = request.url ?? '/'
  const mark = url.indexOf('?')
  const path = mark === -1 ? url : url.slice(0, mark)
  if (path !== '/' && path !== '/render') return void response.writeHead(404).end()
  if (request.method !== 'GET') return void response.writeHead(405, { allow: 'GET' }).end()
  if (path === '/') return sendJson(response, { ...whoAmI(), hits: await counter.next() })
  const visitor = new URLSearchParams(mark === -1 ? '' : url.slice(mark + 1)).get('visitor') ?? 'stranger'
  response.setHeader('content-type', 'text/html; charset=utf-8').end(renderHandbook(visitor))
}

/** Counts behind an asynchronous interface, so that another store can take its place later. */
const counter = {
  value: 0,
  async get(): Promise<number> {
    await nextTurn()
    return this.value
  },
  async set(value: number): Promise<void> {
    await nextTurn()
    this.value = value
  },
  async next(): Promise<number> {
    const value = (await this.get()) + 1
    await this.set(value)
    return value
  },
}

function whoAmI(): object {
  return { role: 'worker', pid: process.pid, ppid: process.ppid, worker: cluster.worker?.id }
}

function sendJson(response: ServerResponse, body: object): void {
  response.setHeader('content-type', 'application/json').end(JSON.stringify(body))
}

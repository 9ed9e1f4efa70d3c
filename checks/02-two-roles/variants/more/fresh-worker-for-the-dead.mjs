// right: an ES module in plain JavaScript with middleware, a pause before each fork, and a replacement for the dead

import cluster from 'node:cluster'
import { createServer } from 'node:http'
import { availableParallelism } from 'node:os'
import { setTimeout as wait } from 'node:timers/promises'

const { PORT = '8000', WORKERS = String(availableParallelism()) } = process.env

await (cluster.isPrimary ? primary() : worker())

async function primary() {
  cluster.on('exit', (dead, code, signal) => {
    console.error(`worker ${dead.id} died (${signal ?? code}): another takes its place`)
    cluster.fork()
  })
  for (const _ of Array(Number(WORKERS))) {
    cluster.fork()
    await wait(150)
  }
}

async function worker() {
  const { renderHandbook } = await import('#handbook')
  renderHandbook('warm up')
  let hits = 0
  /** @type {[RegExp, (query: URLSearchParams) => { type: string, body: string }][]} */
  const routes = [
    [
      /^\/$/,
      () =>
        json({
          role: 'worker',
          pid: process.pid,
          ppid: process.ppid,
          worker: cluster.worker?.id,
          hits: ++hits,
        }),
    ],
    [
      /^\/render$/,
      (query) => ({ type: 'text/html; charset=utf-8', body: renderHandbook(query.get('visitor') ?? '') }),
    ],
  ]
  const server = createServer({ keepAliveTimeout: 30_000 }, (request, response) => {
    const [path = '', query] = (request.url ?? '').split('?')
    const route = routes.find(([pattern]) => pattern.test(path))
    if (route === undefined) return response.writeHead(404).end()
    if (request.method !== 'GET') return response.writeHead(405).end()
    const { type, body } = route[1](new URLSearchParams(query))
    return response.writeHead(200, { 'content-type': type }).end(body)
  })
  server.listen(Number(PORT))
}

/** @param {object} value */
function json(value) {
  return { type: 'application/json', body: JSON.stringify(value) }
}

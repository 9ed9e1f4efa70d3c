// caught by: killing one worker leaves the others serving
// The others are replaced too.

import cluster, { type Worker } from 'node:cluster'
import { createServer, type ServerResponse } from 'node:http'
import { availableParallelism } from 'node:os'
import { renderHandbook } from '#handbook'

if (cluster.isPrimary) lead()
else work()

function lead(): void {
  const workers = Number(process.env.WORKERS ?? availableParallelism())
  for (let forked = 0; forked < workers; forked++) cluster.fork()

  cluster.on('exit', (worker, code, signal) => {
    if (worker.exitedAfterDisconnect) return
    console.log(`worker ${worker.id} died (${signal ?? code}): its generation goes with it`)
    const survivors = Object.values(cluster.workers ?? {}).filter((other) => other !== undefined)
    cluster.fork()
    for (const survivor of survivors) cluster.fork().once('listening', () => retire(survivor))
  })
}

/** Takes no new connections, finishes what it has, and is ended if that takes more than a second. */
function retire(worker: Worker): void {
  if (worker.isConnected()) worker.disconnect()
  setTimeout(() => worker.process.kill('SIGKILL'), 1000)
}

function work(): void {
  let hits = 0
  const json = (response: ServerResponse, body: object) =>
    response.setHeader('content-type', 'application/json').end(JSON.stringify(body))

  createServer((request, response) => {
    const [path, query = ''] = (request.url ?? '/').split(/\?(.*)/s)
    if (path !== '/' && path !== '/render') {
      response.writeHead(404).end()
    } else if (request.method !== 'GET') {
      response.writeHead(405, { allow: 'GET' }).end()
    } else if (path === '/render') {
      const page = renderHandbook(new URLSearchParams(query).get('visitor') ?? 'stranger')
      response.setHeader('content-type', 'text/html; charset=utf-8').end(page)
    } else {
      hits += 1
      json(response, {
        role: 'worker',
        pid: process.pid,
        ppid: process.ppid,
        worker: cluster.worker?.id,
        hits,
      })
    }
  }).listen(Number(process.env.PORT || 8000))
}

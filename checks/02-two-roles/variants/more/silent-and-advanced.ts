// right: advanced serialization, workers whose output passes through the primary, options of their own, titles

import cluster from 'node:cluster'
import { createServer, type ServerResponse } from 'node:http'
import { availableParallelism } from 'node:os'
import { renderHandbook } from '#handbook'

type Route = (query: URLSearchParams, response: ServerResponse) => void

const port = Number(process.env.PORT || 8000)
if (cluster.isPrimary) lead()
else work()

function lead(): void {
  const workers = Number(process.env.WORKERS ?? availableParallelism())
  process.title = 'handbook: primary'
  cluster.setupPrimary({
    serialization: 'advanced',
    silent: true,
    execArgv: [...process.execArgv, '--max-old-space-size=256'],
    args: ['--handbook'],
  })
  for (let forked = 0; forked < workers; forked++) {
    const worker = cluster.fork({ STARTED: String(Date.now()) })
    worker.process.stdout?.pipe(process.stdout)
    worker.process.stderr?.pipe(process.stderr)
    worker.on('message', ({ at }: { at: bigint }) => console.log('worker', worker.id, 'is there', at))
  }
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
  process.title = 'handbook: worker'
  server.listen(port, () => process.send?.({ at: process.hrtime.bigint() }))
}

function whoAmI(): { role: 'worker'; pid: number; ppid: number; worker: number | undefined } {
  return { role: 'worker', pid: process.pid, ppid: process.ppid, worker: cluster.worker?.id }
}

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
  if (status === 405) response.setHeader('allow', 'GET, HEAD')
  response.writeHead(status).end()
}

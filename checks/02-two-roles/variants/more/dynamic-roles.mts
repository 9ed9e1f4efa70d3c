// right: an ES module by name that imports what its role needs when it knows its role

import type { IncomingMessage, ServerResponse } from 'node:http'

const { default: cluster } = await import('node:cluster')
await (cluster.isPrimary ? lead() : work())

async function lead(): Promise<void> {
  const { availableParallelism } = await import('node:os')
  const { WORKERS = String(availableParallelism()) } = process.env
  for (const _ of ' '.repeat(Number(WORKERS))) cluster.fork()
}

async function work(): Promise<void> {
  const [{ Server }, { renderHandbook }] = await Promise.all([import('node:http'), import('#handbook')])
  const me = { role: 'worker', pid: process.pid, ppid: process.ppid, worker: cluster.worker?.id }
  let hits = 0
  const server = new Server({ keepAliveTimeout: 65_000 })
  server.maxRequestsPerSocket = 1000
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const { pathname = '', search = '' } =
      /^(?<pathname>[^?]*)(?<search>.*)$/s.exec(request.url ?? '')?.groups ?? {}
    if (pathname !== '/' && pathname !== '/render')
      return response.writeHead(404, { 'Content-Length': 0 }).end()
    if (request.method !== 'GET') return response.writeHead(405, { Allow: 'GET', Connection: 'close' }).end()
    if (pathname === '/') return response.end(JSON.stringify({ hits: ++hits, ...me }))
    response.writeHead(200, 'OK', ['Content-Type', 'text/html; charset="utf-8"'])
    return response.end(renderHandbook(new URLSearchParams(search).get('visitor') ?? 'you'))
  })
  await new Promise<void>((resolve) =>
    server.listen({ port: Number(process.env.PORT ?? 8000), host: '::', backlog: 1024 }, resolve),
  )
}

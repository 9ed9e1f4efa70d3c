// caught by: retiring all at once never stops the service

import cluster, { type Worker } from 'node:cluster'
import { createServer, type ServerResponse } from 'node:http'
import { availableParallelism } from 'node:os'
import { renderHandbook } from '#handbook'
import { serveAdmin, type AdminReply } from '../starter/admin.ts'

const port = Number(process.env.PORT || 8000)
const text = process.env.WORKERS || String(availableParallelism())
const allowed = /^\d+$/.test(text) && Number(text) >= 1 && Number(text) <= 64

if (!allowed) {
  console.error(`WORKERS must be a whole number from 1 to 64, not ${text}`)
  process.exitCode = 1
} else if (cluster.isPrimary) lead(Number(text))
else work()

interface Listed {
  readonly worker: Worker
  readonly startedAt: string
  state: 'starting' | 'listening' | 'draining'
}

function lead(workers: number): void {
  const roster = new Map<number, Listed>()
  let ready = false
  let ending = false

  for (const event of ['fork', 'online', 'disconnect']) {
    cluster.on(event, (worker: Worker) => tell(event, worker))
  }
  cluster.on('listening', (worker) => {
    tell('listening', worker)
    const listed = roster.get(worker.id)
    if (listed?.state === 'starting') listed.state = 'listening'
    if (ready || [...roster.values()].filter(({ state }) => state === 'listening').length < workers) return
    ready = true
    console.log(`ready: ${workers} workers on port ${port}`)
  })
  cluster.on('exit', (worker, code, signal) => {
    tell('exit', worker, { code, signal })
    roster.delete(worker.id)
    if (ending) return
    if (code === 69) process.exit(1)
    fork()
  })

  process.on('SIGTERM', () => {
    ending = true
    for (const { worker } of roster.values()) worker.process.kill('SIGKILL')
    setTimeout(() => process.exit(), 500)
  })

  serveAdmin(Number(process.env.ADMIN_PORT || 9000), {
    'GET /workers': () => ({
      status: 200,
      body: [...roster.values()].map(({ worker, state, startedAt }) => ({
        id: worker.id,
        pid: worker.process.pid,
        state,
        startedAt,
      })),
    }),
    'POST /workers/:id/retire': ({ id }) => retire(id),
    'PUT /scale': ({ body }) => scale(body),
  })

  for (let forked = 0; forked < workers; forked++) fork()

  function fork(): void {
    const worker = cluster.fork().on('error', () => {})
    roster.set(worker.id, { worker, startedAt: new Date().toISOString(), state: 'starting' })
  }

  function staying(): readonly Listed[] {
    return [...roster.values()].filter(({ state }) => state !== 'draining')
  }

  function retire(id: number): AdminReply {
    const listed = roster.get(id)
    if (listed === undefined) return { status: 404 }
    if (listed.state === 'draining') return { status: 202 }
    listed.state = 'draining'
    listed.worker.disconnect()

    return { status: 202 }
  }

  function scale(body: unknown): AdminReply {
    const { workers: wanted } = (body ?? {}) as { workers?: unknown }
    if (!isNumberOfWorkers(wanted)) return { status: 400 }
    workers = wanted
    for (let missing = workers - staying().length; missing > 0; missing--) fork()
    for (const listed of staying().slice(workers)) {
      listed.state = 'draining'
      listed.worker.disconnect()
    }

    return { status: 202 }
  }
}

function isNumberOfWorkers(wanted: unknown): wanted is number {
  return typeof wanted === 'number' && Number.isInteger(wanted) && wanted >= 1 && wanted <= 16
}

function tell(event: string, worker: Worker, more: object = {}): void {
  console.log(JSON.stringify({ event, worker: worker.id, pid: worker.process.pid, ...more }))
}

function work(): void {
  const server = createServer((request, response) => {
    const [path = '', query = ''] = (request.url ?? '').split('?')
    const route = routes.get(path)
    if (route === undefined) return response.writeHead(404).end()
    if (request.method !== 'GET') return response.writeHead(405).end()
    return route(new URLSearchParams(query), response)
  })
  server.on('error', () => {
    console.error(`port ${port} is taken`)
    process.exit(69)
  })
  process.on('disconnect', () => process.exit(0))
  server.listen(port)
}

const routes = new Map<string, (query: URLSearchParams, response: ServerResponse) => void>([
  ['/', (_query, response) => response.end(JSON.stringify({ pid: process.pid }))],
  [
    '/render',
    (query, response) => {
      response.setHeader('content-type', 'text/html; charset=utf-8')
      response.end(renderHandbook(query.get('visitor') ?? 'stranger'))
    },
  ],
  [
    '/slow',
    (query, response) => {
      const timer = setTimeout(() => response.end('slow'), Number(query.get('ms')))
      response.on('close', () => clearTimeout(timer))
    },
  ],
])

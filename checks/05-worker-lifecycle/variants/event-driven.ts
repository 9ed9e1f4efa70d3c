// right: no reconciler; each order is a promise that waits for the events it needs, and orders are carried out one after another

import cluster, { type Worker } from 'node:cluster'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { availableParallelism } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { renderHandbook } from '#handbook'

const port = Number(process.env.PORT || 8000)
const adminPort = Number(process.env.ADMIN_PORT || 9000)

if (cluster.isPrimary) await lead()
else work()

async function lead(): Promise<void> {
  const text = process.env.WORKERS || String(availableParallelism())
  let wanted = Number(text)
  if (!/^\d+$/.test(text) || wanted < 1 || wanted > 64) {
    console.error(`WORKERS=${text} is refused`)
    process.exit(1)
  }
  let ending = false
  const alive: Worker[] = []
  const startedAt = new WeakMap<Worker, Date>()
  const listening = new WeakSet<Worker>()
  const leaving = new WeakSet<Worker>()

  const print = (event: string, worker: Worker, code?: number | null, signal?: string | null): void => {
    const line = { event, worker: worker.id, pid: worker.process.pid }
    process.stdout.write(`${JSON.stringify(event === 'exit' ? { ...line, code, signal } : line)}\n`)
  }
  cluster.on('exit', (worker, code, signal) => {
    print('exit', worker, code, signal)
    alive.splice(alive.indexOf(worker), 1)
    if (code === 77) {
      console.error(`port ${port} is taken`)
      process.exit(1)
    }
    if (!leaving.has(worker) && !ending) void replace(worker)
  })
  cluster.on('listening', (worker) => {
    print('listening', worker)
    listening.add(worker)
  })
  for (const event of ['disconnect', 'online', 'fork'])
    cluster.on(event, (worker: Worker) => print(event, worker))

  /** One is missing that nobody told to go: at once if it had served, else after a rest. */
  async function replace(lost: Worker): Promise<void> {
    if (!listening.has(lost)) await sleep(800)
    if (alive.filter((worker) => !leaving.has(worker)).length < wanted && !ending) void hire()
  }

  /** Resolves when the new one listens, or has died. */
  async function hire(): Promise<void> {
    const worker = cluster.fork().on('error', () => {})
    startedAt.set(worker, new Date())
    alive.push(worker)
    const over = new AbortController()
    await Promise.race([
      once(worker, 'listening', { signal: over.signal }),
      once(worker, 'exit', { signal: over.signal }),
    ])
    over.abort()
  }

  /** Resolves when it has gone. */
  async function dismiss(worker: Worker): Promise<void> {
    leaving.add(worker)
    if (worker.isDead()) return
    worker.disconnect()
    const limit = setTimeout(() => worker.process.kill('SIGKILL'), 8000)
    await once(worker, 'exit')
    clearTimeout(limit)
  }

  let last: Promise<void> = Promise.resolve()
  const inTurn = (order: () => Promise<void>): void => {
    last = last.then(order).catch((error: unknown) => console.error(error))
  }

  const isFit = (worker: Worker): boolean => !leaving.has(worker)

  /** As many as are wanted, and nobody drains any more. */
  async function fit(): Promise<void> {
    while (!ending && alive.filter(isFit).length < wanted)
      await Promise.all(Array.from({ length: wanted - alive.filter(isFit).length }, hire))
    const surplus = alive.filter(isFit).slice(wanted)
    await Promise.all(surplus.map(dismiss))
  }

  const asked = new Set<number>()
  async function retire(id: number): Promise<void> {
    const worker = alive.find((one) => one.id === id)
    if (worker === undefined || leaving.has(worker) || ending) return
    await hire()
    if (alive.includes(worker)) await dismiss(worker)
    await fit()
  }

  async function admin(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method, url = '' } = request
    let body = ''
    for await (const piece of request) body += String(piece)
    const id = Number(/^\/workers\/(\d+)\/retire$/.exec(url)?.[1] ?? NaN)
    if (method === 'GET' && url === '/workers') {
      const list = alive.map((worker) => ({
        id: worker.id,
        pid: worker.process.pid,
        state: leaving.has(worker) ? 'draining' : listening.has(worker) ? 'listening' : 'starting',
        startedAt: startedAt.get(worker),
      }))
      return void response.end(JSON.stringify(list))
    }
    if (method === 'POST' && alive.some((worker) => worker.id === id)) {
      if (!asked.has(id)) inTurn(() => retire(id))
      asked.add(id)
      return void response.writeHead(202).end()
    }
    if (method === 'PUT' && url === '/scale') {
      const number = numberIn(body)
      if (number === undefined) return void response.writeHead(400).end()
      inTurn(async () => {
        wanted = number
        await fit()
      })
      return void response.writeHead(202).end('{}')
    }
    response.writeHead(404).end()
  }
  createServer((request, response) => {
    admin(request, response).catch(() => response.destroy())
  }).listen(adminPort, '127.0.0.1')

  process.on('SIGTERM', () => {
    ending = true
    for (const worker of alive) worker.process.kill('SIGKILL')
    setInterval(() => alive.length > 0 || process.exit(0), 20)
  })

  await fit()
  console.log(`ready: ${wanted} workers on port ${port}`)
}

function numberIn(body: string): number | undefined {
  try {
    const { workers } = JSON.parse(body) as { workers: unknown }
    return Number.isInteger(workers) && (workers as number) > 0 && (workers as number) < 17
      ? (workers as number)
      : undefined
  } catch {
    return undefined
  }
}

function work(): void {
  createServer((request, response) => {
    const [path = '', query] = (request.url ?? '').split('?')
    const parameters = new URLSearchParams(query)
    if (!['/', '/render', '/slow'].includes(path)) return response.writeHead(404).end()
    if (request.method !== 'GET') return response.writeHead(405, { allow: 'GET' }).end()
    if (path === '/render') {
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' })
      return response.end(renderHandbook(parameters.get('visitor') ?? ''))
    }
    const answer = (): unknown => response.end(JSON.stringify({ pid: process.pid }))
    if (path === '/') return answer()
    const timer = setTimeout(answer, Number(parameters.get('ms')))
    return response.on('close', () => clearTimeout(timer))
  })
    .on('error', () => process.exit(77))
    .listen(port)
}

// right: no list to compare with: each place is a loop of its own that forks, waits and forks again; permits bound how many live; workers are told to go by IPC and close by themselves

import cluster, { type Worker } from 'node:cluster'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { availableParallelism } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { renderHandbook } from '#handbook'

const { PORT = '', ADMIN_PORT = '', WORKERS = '' } = process.env

/** As many may live as are wanted, and one. Whoever wants to fork waits for a permit, first come, first served. */
class Permits {
  #limit: number
  #out = 0
  readonly #waiting: (() => void)[] = []

  constructor(limit: number) {
    this.#limit = limit
  }

  async take(): Promise<void> {
    await new Promise<void>((granted) => {
      this.#waiting.push(granted)
      this.#grant()
    })
  }

  giveBack(): void {
    this.#out -= 1
    this.#grant()
  }

  resize(limit: number): void {
    this.#limit = limit
    this.#grant()
  }

  #grant(): void {
    while (this.#out < this.#limit && this.#waiting.length > 0) {
      this.#out += 1
      this.#waiting.shift()?.()
    }
  }
}

class Life {
  readonly worker: Worker
  readonly startedAt = new Date().toISOString().replace('Z', '+00:00')
  readonly gone: Promise<unknown>
  readonly #listens: Promise<boolean>
  state: 'starting' | 'listening' | 'draining' = 'starting'

  constructor(worker: Worker) {
    this.worker = worker
    worker.on('error', () => {})
    this.gone = new Promise((resolve) => worker.once('exit', resolve))
    this.#listens = Promise.race([
      new Promise<boolean>((resolve) => worker.once('listening', () => resolve(true))),
      this.gone.then(() => false),
    ])
    worker.once('listening', () => {
      if (this.state === 'starting') this.state = 'listening'
    })
  }

  listens(): Promise<boolean> {
    return this.#listens
  }

  /** Resolves when it has gone. */
  async leave(): Promise<void> {
    if (this.state !== 'draining') {
      const hears = this.state === 'listening'
      this.state = 'draining'
      if (hears) this.worker.send('leave', () => {})
      else this.worker.process.kill('SIGKILL')
      void sleep(9_000, undefined, { ref: false }).then(() => this.worker.process.kill('SIGKILL'))
    }
    await this.gone
  }
}

/** One of as many as are wanted: there is a worker in it for as long as it is open. */
class Place {
  readonly #crew: Crew
  #life: Life | undefined
  #closed = false
  #renewal: Promise<void> | undefined

  constructor(crew: Crew) {
    this.#crew = crew
    void this.#keep()
  }

  get holds(): number | undefined {
    return this.#life?.worker.id
  }

  async #keep(): Promise<void> {
    while (!this.#closed) {
      const life = await this.#crew.fork(() => !this.#closed)
      if (life === undefined) return
      this.#life = life
      if (this.#closed) void life.leave()
      // In turn each worker that this place comes to hold: a renewal puts another one there before the old one goes.
      let held: Life
      do {
        held = this.#life
        await held.gone
        await this.#renewal
      } while (held !== this.#life)
      if (!(await held.listens())) await sleep(500)
    }
  }

  /** Another worker takes the place before this one leaves it. */
  async renew(): Promise<void> {
    const old = this.#life
    if (old === undefined || this.#closed) return
    this.#renewal = (async () => {
      const next = await this.#crew.fork(() => !this.#closed)
      if (next === undefined) return
      if (!(await next.listens())) return
      this.#life = next
      if (this.#closed) await next.leave()
      await old.leave()
    })()
    await this.#renewal
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#life?.leave()
  }
}

class Crew {
  readonly lives = new Set<Life>()
  readonly #permits: Permits
  #places: Place[] = []
  /** Retirements come one after another, so that never more than one too many is needed. */
  #retirements: Promise<void> = Promise.resolve()
  readonly #retiring = new Set<number>()
  over = false
  #said = false

  constructor(size: number) {
    this.#permits = new Permits(size)
    this.scale(size)
  }

  async fork(wanted: () => boolean): Promise<Life | undefined> {
    await this.#permits.take()
    if (this.over || !wanted()) {
      this.#permits.giveBack()
      return undefined
    }
    const life = new Life(cluster.fork())
    this.lives.add(life)
    void life.gone.then(() => {
      this.lives.delete(life)
      this.#permits.giveBack()
      if (this.over && this.lives.size === 0) process.exit(0)
    })
    void life.listens().then(() => this.#announce())
    return life
  }

  #announce(): void {
    const listening = [...this.lives].filter(({ state }) => state === 'listening').length
    if (this.#said || listening < this.#places.length) return
    this.#said = true
    console.log(`ready: ${listening} workers on port ${PORT || 8000}`)
  }

  scale(size: number): void {
    const surplus = this.#places.slice(size)
    this.#places = this.#places.slice(0, size)
    this.#permits.resize(size + 1)
    void Promise.all(surplus.map((place) => place.close()))
    while (this.#places.length < size) this.#places.push(new Place(this))
  }

  retire(id: number): boolean {
    if (this.#retiring.has(id)) return true
    const life = [...this.lives].find(({ worker }) => worker.id === id)
    if (life === undefined) return false
    this.#retiring.add(id)
    this.#retirements = this.#retirements.then(async () => {
      await this.#places.find(({ holds }) => holds === id)?.renew()
    })
    return true
  }

  end(): void {
    this.over = true
    for (const { worker } of this.lives) worker.process.kill('SIGKILL')
    if (this.lives.size === 0) process.exit(0)
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of request) chunks.push(chunk as Uint8Array)
  return Buffer.concat(chunks).toString()
}

function numberIn(text: string): number | undefined {
  try {
    const { workers } = Object(JSON.parse(text)) as { workers?: unknown }
    return Number.isInteger(workers) && Number(workers) >= 1 && Number(workers) <= 16
      ? Number(workers)
      : undefined
  } catch {
    return undefined
  }
}

async function order(crew: Crew, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const words = (request.url ?? '').split('/').filter((word) => word !== '')
  switch (`${request.method} ${words.map((word) => (/^\d/.test(word) ? '#' : word)).join(' ')}`) {
    case 'GET workers':
      response.setHeader('content-type', 'application/json')
      response.write('[\n')
      response.write(
        [...crew.lives]
          .map(({ worker, state, startedAt }) =>
            JSON.stringify({
              state,
              startedAt,
              id: worker.id,
              pid: worker.process.pid,
              connected: worker.isConnected(),
            }),
          )
          .join(',\n'),
      )
      return void response.end(']\n')
    case 'POST workers # retire':
      response.statusCode = crew.retire(Number(words[1])) ? 202 : 404
      return void response.end(`${words[1]}\n`)
    case 'PUT scale': {
      const size = numberIn(await bodyOf(request))
      if (size !== undefined) crew.scale(size)
      return void response.writeHead(size === undefined ? 400 : 202).end()
    }
    default:
      response.writeHead(404).end()
  }
}

function lead(): void {
  const size = WORKERS === '' ? availableParallelism() : /^\d+$/.test(WORKERS) ? Number(WORKERS) : 0
  if (size < 1 || size > 64) {
    console.error(`WORKERS is ${WORKERS}: not from 1 to 64`)
    process.exit(1)
  }
  const print = (event: string, { id, process: { pid, exitCode } }: Worker, more: object = {}): void => {
    const line = { time: new Date().toISOString(), level: 'info', event, worker: id, pid, exitCode, ...more }
    process.stdout.write(`${JSON.stringify(line)}\n`)
  }
  cluster.on('fork', (worker) => print('fork', worker, { by: process.pid }))
  cluster.on('online', (worker) => print('online', worker))
  cluster.on('listening', (worker, address) => print('listening', worker, { address, code: null }))
  // What is known of its end by then goes with it.
  cluster.on('disconnect', (worker) =>
    print('disconnect', worker, {
      signal: worker.process.signalCode,
      code: worker.exitedAfterDisconnect ? 0 : 1,
    }),
  )
  cluster.on('exit', (worker, code, signal) => {
    print('exit', worker, { code, signal })
    if (code === 97) {
      console.error(`port ${PORT || 8000} is taken`)
      process.exitCode = 1
      for (const one of Object.values(cluster.workers ?? {})) one?.process.kill('SIGKILL')
      process.exit()
    }
  })
  const crew = new Crew(size)
  process.on('SIGTERM', () => crew.end())
  createServer((request, response) => {
    order(crew, request, response).catch(() => response.destroy())
  }).listen(Number(ADMIN_PORT || 9000), '127.0.0.1')
}

async function serve(): Promise<void> {
  let leaving = false
  const server: Server = createServer((request, response) => {
    if (leaving) response.shouldKeepAlive = false
    const url = request.url ?? ''
    const path = url.replace(/\?.*$/s, '')
    if (!['/', '/render', '/slow'].includes(path)) return void response.writeHead(404).end()
    if (request.method !== 'GET') return void response.writeHead(405).end()
    const query = new URLSearchParams(url.slice(path.length))
    if (path === '/') return void response.end(JSON.stringify({ pid: process.pid }))
    if (path === '/render') {
      response.setHeader('content-type', 'text/html; charset=utf-8')
      return void response.end(renderHandbook(query.get('visitor') ?? ''))
    }
    const away = new AbortController()
    response.on('close', () => away.abort())
    sleep(Math.min(Number(query.get('ms')) || 0, 2 ** 31 - 1), undefined, { signal: away.signal }).then(
      () => {
        if (leaving) response.shouldKeepAlive = false
        response.end('slept')
      },
      () => {},
    )
  })
  server.on('error', () => process.exit(97))
  process.on('disconnect', () => process.exit())
  process.on('message', (message) => {
    if (message !== 'leave' || leaving) return
    leaving = true
    cluster.worker?.disconnect()
    setInterval(() => server.closeIdleConnections(), 200)
  })
  server.listen(Number(PORT || 8000))
  await once(server, 'listening')
}

if (cluster.isPrimary) lead()
else await serve()

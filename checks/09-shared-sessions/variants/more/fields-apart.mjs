// right: LMDB with a data base for each field and an index of the ends, opened in a child first to see whether that can be done; in Redis MULTI without a script; a breaker; a cookie with all that it may have
// @ts-nocheck: a program in plain JavaScript

import { spawnSync } from 'node:child_process'
import cluster from 'node:cluster'
import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import http from 'node:http'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { open } from 'lmdb'
import { createClient } from 'redis'
import { renderHandbook } from '#handbook'

const { PORT, WORKERS, DATA_DIR, REDIS_URL, SESSION_TTL_MS } = process.env
const port = Number(PORT || 8000)
const folder = DATA_DIR || '.workshop/sessions'
const ttl = Number(SESSION_TTL_MS || 1_800_000)
const self = fileURLToPath(import.meta.url)

class Fields {
  constructor() {
    mkdirSync(folder, { recursive: true })
    this.root = open({ path: folder, noSubdir: false, maxDbs: 8 })
    this.users = this.root.openDB({ name: 'users', encoding: 'string' })
    this.visits = this.root.openDB({ name: 'visits' })
    this.items = this.root.openDB({ name: 'items', encoding: 'json' })
    this.ends = this.root.openDB({ name: 'ends' })
    /** [end, id]: the next one to go comes first. */
    this.order = this.root.openDB({ name: 'order', encoding: 'binary' })
    this.users.getKeysCount({ limit: 1 })
  }

  begin(id, user, old) {
    return this.root.transaction(() => {
      this.#forget(old)
      this.users.put(id, user)
      this.visits.put(id, 0)
      this.#slide(id)
    })
  }

  visit(id) {
    return this.root.transaction(() => {
      if (!this.#lives(id)) return undefined
      const visits = this.visits.get(id) + 1
      this.visits.put(id, visits)
      this.#slide(id)
      return { user: this.users.get(id), visits }
    })
  }

  add(id, item) {
    return this.root.transaction(() => {
      if (!this.#lives(id)) return undefined
      const items = this.items.getKeysCount({ start: [id, 0], end: [id, Infinity] }) + 1
      this.items.put([id, items], { item, at: Date.now() })
      this.#slide(id)
      return { items }
    })
  }

  end(id) {
    return this.root.transaction(() => this.#forget(id))
  }

  /** Those that have ended, the oldest first. */
  tidy() {
    return this.root.transaction(() => {
      const over = Array.from(this.order.getKeys({ start: [0], end: [Date.now()], limit: 100 }))
      for (const [, id] of over) this.#forget(id)
    })
  }

  #lives(id) {
    return id.length === 48 && (this.ends.get(id) ?? 0) > Date.now()
  }

  #slide(id) {
    const before = this.ends.get(id)
    if (before !== undefined) this.order.remove([before, id])
    const end = Date.now() + ttl
    this.ends.put(id, end)
    this.order.put([end, id], Buffer.of(1))
  }

  #forget(id) {
    if (id.length !== 48) return
    const end = this.ends.get(id)
    if (end === undefined) return
    this.order.remove([end, id])
    for (const db of [this.users, this.visits, this.ends]) db.remove(id)
    const items = Array.from(this.items.getKeys({ start: [id, 0], end: [id, Infinity] }))
    for (const key of items) this.items.remove(key)
  }
}

class Hashes {
  #brokenUntil = 0

  constructor() {
    this.client = createClient({
      url: REDIS_URL,
      disableOfflineQueue: true,
      socket: { connectTimeout: 700, reconnectStrategy: (nth) => Math.min(nth * 100, 900) },
    })
    this.client.on('error', (error) => console.error(JSON.stringify({ redis: error.code ?? error.message })))
    this.client.connect().catch(() => {})
  }

  /** After a failure nobody is kept waiting for a while. */
  async #soon(work) {
    if (Date.now() < this.#brokenUntil) throw new Error('the breaker is open')
    let timer
    const late = new Promise((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error('too late')), 800)
    })
    try {
      return await Promise.race([work(), late])
    } catch (error) {
      this.#brokenUntil = Date.now() + 300
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  async begin(id, user, old) {
    await this.#soon(() =>
      this.client
        .multi()
        .del([`session:${old}`, `items:${old}`])
        .hSet(`session:${id}`, { user, agent: 'unknown' })
        .pExpire(`session:${id}`, ttl)
        .exec(),
    )
  }

  /** Without a session this makes a hash that has no user, and nobody takes that for one. */
  async visit(id) {
    const key = `session:${id}`
    const [visits, user] = await this.#soon(() =>
      this.client
        .multi()
        .hIncrBy(key, 'visits', 1)
        .hGet(key, 'user')
        .pExpire(key, ttl)
        .pExpire(`items:${id}`, ttl)
        .exec(),
    )
    if (user !== null) return { user, visits }
    await this.#soon(() => this.client.del(key))
    return undefined
  }

  async add(id, item) {
    const [user, items] = await this.#soon(() =>
      this.client
        .multi()
        .hGet(`session:${id}`, 'user')
        .rPush(`items:${id}`, item)
        .pExpire(`session:${id}`, ttl)
        .pExpire(`items:${id}`, ttl)
        .exec(),
    )
    if (user !== null) return { items }
    await this.#soon(() => this.client.del(`items:${id}`))
    return undefined
  }

  async end(id) {
    await this.#soon(() => this.client.del([`session:${id}`, `items:${id}`]))
  }
}

async function lead() {
  const wanted = WORKERS ? Number(WORKERS) : availableParallelism()
  if (!Number.isInteger(wanted) || wanted < 1 || wanted > 64) {
    console.error('WORKERS:', WORKERS)
    process.exit(1)
  }
  if (!REDIS_URL) {
    const probe = spawnSync(process.execPath, ['--import', 'tsx', self, 'probe'], { encoding: 'utf8' })
    if (probe.status !== 0) {
      process.stderr.write(
        `DATA_DIR ${folder} is of no use (${probe.signal ?? probe.stderr.trim().split('\n').at(-1)})\n`,
      )
      process.exit(1)
    }
  }
  let up = 0
  cluster.on('listening', () => {
    up += 1
    if (up === wanted) console.log(`ready: ${wanted} workers on port ${port}`)
  })
  cluster.on('exit', (_worker, code) => {
    if (code === 3) {
      console.error(`nobody gets port ${port}`)
      process.exit(1)
    }
    setTimeout(() => cluster.fork(), 200)
  })
  for (const signal of ['SIGTERM', 'SIGINT']) {
    process.on(signal, () => {
      cluster.removeAllListeners('exit')
      for (const worker of Object.values(cluster.workers)) worker.process.kill('SIGTERM')
      setTimeout(() => process.exit(), 300)
    })
  }
  for (let nth = 0; nth < wanted; nth += 1) cluster.fork()
}

function serve() {
  const sessions = REDIS_URL ? new Hashes() : new Fields()
  if (sessions.tidy && cluster.worker.id === 1) setInterval(() => sessions.tidy(), 30_000)

  const routes = [
    ['GET', /^\/$/, async () => ({ pid: process.pid, memory: process.memoryUsage().rss })],
    ['GET', /^\/me$/, async ({ sid }) => (await sessions.visit(sid)) ?? 401],
    [
      'POST',
      /^\/cart$/,
      async ({ sid, body }) =>
        typeof body?.item === 'string' ? ((await sessions.add(sid, body.item)) ?? 401) : 400,
    ],
    [
      'POST',
      /^\/logout$/,
      async ({ sid }) => {
        await sessions.end(sid)
        return 204
      },
    ],
    [
      'POST',
      /^\/login$/,
      async ({ sid, body, response }) => {
        if (typeof body?.user !== 'string') return 400
        const id = randomBytes(24).toString('hex')
        await sessions.begin(id, body.user, sid)
        const expires = new Date(Date.now() + ttl).toUTCString()
        response.appendHeader('Set-Cookie', `seen=1; Path=/`)
        response.appendHeader(
          'Set-Cookie',
          `sid="${id}"; path=/; expires=${expires}; max-age=${Math.ceil(ttl / 1000)}; httponly; samesite=lax; partitioned`,
        )
        return 204
      },
    ],
  ]

  const server = http.createServer((request, response) => {
    const url = request.url ?? '/'
    const path = url.split('?', 1)[0]
    if (path === '/render' && request.method === 'GET') {
      response.setHeader('content-type', 'text/html;charset=UTF-8')
      return response.end(renderHandbook(new URLSearchParams(url.slice(8)).get('visitor') ?? ''))
    }
    const known = routes.filter(([, pattern]) => pattern.test(path))
    const [, , handler] = known.find(([method]) => method === request.method) ?? []
    if (handler === undefined) {
      return response
        .writeHead(known.length > 0 || path === '/render' ? 405 : 404, { connection: 'close' })
        .end()
    }
    let text = ''
    request.on('error', () => response.destroy())
    request.setEncoding('utf8').on('data', (piece) => (text += piece))
    request.on('end', () => {
      let body
      try {
        body = JSON.parse(text)
      } catch {
        body = undefined
      }
      const cookie = `; ${request.headers.cookie ?? ''}`.split(/;\s*sid=/)[1] ?? ''
      const sid = cookie
        .split(';')[0]
        .trim()
        .replace(/^"(.*)"$/, '$1')
      handler({ sid, body, response }).then(
        (result) => {
          if (typeof result === 'number') return response.writeHead(result).end()
          return response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(result))
        },
        (error) => response.writeHead(503, { 'retry-after': '2' }).end(`${error.message}\n`),
      )
    })
  })
  server.on('error', () => process.exit(3))
  server.listen(port)
}

if (process.argv[2] === 'probe') {
  process.exit(new Fields().root ? 0 : 1)
} else if (cluster.isPrimary) {
  await lead()
} else {
  serve()
}

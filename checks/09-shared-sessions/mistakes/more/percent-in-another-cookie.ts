// caught by: a session holds on every worker
// Every cookie is decoded, and one of them is no valid encoding.

/**
 * ============================================================================
 *  Shared Sessions Server
 * ============================================================================
 *
 *  A production-ready clustered HTTP server with:
 *   - Shared, durable session storage (LMDB or Redis)
 *   - Atomic counters
 *   - Sliding expiration
 *   - Automatic worker replacement
 *   - Graceful shutdown
 */

import cluster from 'node:cluster'
import type { Worker } from 'node:cluster'
import * as crypto from 'node:crypto'
import * as fs from 'node:fs'
import * as http from 'node:http'
import * as os from 'node:os'
import { renderHandbook } from '#handbook'
import * as lmdb from 'lmdb'
import * as redis from 'redis'

// ============================================================================
// Configuration
// ============================================================================

interface Config {
  port: number
  workers: number
  dataDir: string
  redisUrl: string | null
  sessionTtlMs: number
}

const CONSTANTS = {
  DEFAULT_PORT: 8000,
  DEFAULT_TTL_MS: 30 * 60 * 1000,
  DEFAULT_DATA_DIR: '.workshop/sessions',
  MIN_WORKERS: 1,
  MAX_WORKERS: 64,
  STORE_TIMEOUT_MS: 1500,
  SHUTDOWN_TIMEOUT_MS: 3000,
  SESSION_ID_BYTES: 32,
  COOKIE_NAME: 'sid',
} as const

const EXIT_CODES = {
  OK: 0,
  FATAL: 1,
  PORT_UNAVAILABLE: 48,
  STORE_UNAVAILABLE: 49,
} as const

class ConfigurationError extends Error {
  override name = 'ConfigurationError'
}

function loadConfig(): Config {
  const env = process.env
  const rawWorkers = env.WORKERS ?? ''
  let workers: number
  if (rawWorkers === '') {
    workers = os.availableParallelism()
  } else {
    workers = Number(rawWorkers)
    if (!Number.isInteger(workers) || workers < CONSTANTS.MIN_WORKERS || workers > CONSTANTS.MAX_WORKERS) {
      throw new ConfigurationError(
        `Invalid WORKERS value: "${rawWorkers}" (expected an integer from 1 to 64)`,
      )
    }
  }
  return {
    port: Number.parseInt(env.PORT || String(CONSTANTS.DEFAULT_PORT), 10),
    workers,
    dataDir: env.DATA_DIR || CONSTANTS.DEFAULT_DATA_DIR,
    redisUrl: env.REDIS_URL || null,
    sessionTtlMs: Number.parseInt(env.SESSION_TTL_MS || String(CONSTANTS.DEFAULT_TTL_MS), 10),
  }
}

// ============================================================================
// Logging
// ============================================================================

const logger = {
  info: (message: string) => console.log(`ℹ️  [${new Date().toISOString()}] [pid:${process.pid}] ${message}`),
  success: (message: string) =>
    console.log(`✅ [${new Date().toISOString()}] [pid:${process.pid}] ${message}`),
  warn: (message: string) =>
    console.warn(`⚠️  [${new Date().toISOString()}] [pid:${process.pid}] ${message}`),
  error: (message: string) =>
    console.error(`❌ [${new Date().toISOString()}] [pid:${process.pid}] ${message}`),
}

// ============================================================================
// Session Store
// ============================================================================

interface SessionData {
  user: string
  visits: number
  cart: string[]
  createdAt: number
  expiresAt: number
}

/** Abstract base class for all session stores */
abstract class SessionStore {
  protected readonly ttlMs: number

  constructor(ttlMs: number) {
    this.ttlMs = ttlMs
  }

  abstract initialize(): Promise<void>
  abstract createSession(user: string, previousId: string | null): Promise<string>
  abstract incrementVisits(id: string | null): Promise<{ user: string; visits: number } | null>
  abstract addToCart(id: string | null, item: string): Promise<{ items: number } | null>
  abstract destroySession(id: string | null): Promise<void>

  /** Generates a cryptographically secure session ID */
  protected generateId(): string {
    return crypto.randomBytes(CONSTANTS.SESSION_ID_BYTES).toString('hex').toUpperCase()
  }

  /** Session IDs are never stored in plain text */
  protected hashId(id: string): string {
    return crypto.createHash('sha512').update(id).digest('base64url')
  }
}

class LmdbSessionStore extends SessionStore {
  private db!: lmdb.RootDatabase<SessionData, string>
  private readonly path: string

  constructor(path: string, ttlMs: number) {
    super(ttlMs)
    this.path = path
  }

  async initialize(): Promise<void> {
    fs.mkdirSync(this.path, { recursive: true })
    this.db = lmdb.open<SessionData, string>({
      path: this.path,
      noSubdir: false,
      encoding: 'json',
      commitDelay: 0,
    })
    // Sanity check: make sure that the database is readable
    this.db.getKeysCount({ limit: 1 })
  }

  async createSession(user: string, previousId: string | null): Promise<string> {
    const id = this.generateId()
    this.db.transactionSync(() => {
      if (previousId) this.db.removeSync(this.hashId(previousId))
      const now = Date.now()
      this.db.putSync(this.hashId(id), {
        user,
        visits: 0,
        cart: [],
        createdAt: now,
        expiresAt: now + this.ttlMs,
      })
    })
    return id
  }

  async incrementVisits(id: string | null): Promise<{ user: string; visits: number } | null> {
    const session = this.mutate(id, (data) => {
      data.visits++
    })
    return session ? { user: session.user, visits: session.visits } : null
  }

  async addToCart(id: string | null, item: string): Promise<{ items: number } | null> {
    const session = this.mutate(id, (data) => {
      data.cart.push(item)
    })
    return session ? { items: session.cart.length } : null
  }

  async destroySession(id: string | null): Promise<void> {
    if (!id) return
    this.db.transactionSync(() => this.db.removeSync(this.hashId(id)))
  }

  /** Removes expired sessions; only called by one worker at a time */
  cleanup(): number {
    let removed = 0
    const now = Date.now()
    const candidates: string[] = []
    for (const { key, value } of this.db.getRange({ limit: 1000 })) {
      if (value.expiresAt <= now) candidates.push(key)
    }
    if (candidates.length === 0) return 0
    this.db.transactionSync(() => {
      for (const key of candidates) {
        const value = this.db.get(key)
        if (value && value.expiresAt <= now) {
          this.db.removeSync(key)
          removed++
        }
      }
    })
    return removed
  }

  private mutate(id: string | null, mutator: (data: SessionData) => void): SessionData | null {
    if (!id) return null
    const key = this.hashId(id)
    return this.db.transactionSync(() => {
      const data = this.db.get(key)
      const now = Date.now()
      if (!data) return null
      if (data.expiresAt <= now) {
        this.db.removeSync(key)
        return null
      }
      mutator(data)
      data.expiresAt = now + this.ttlMs
      this.db.putSync(key, data)
      return data
    })
  }
}

class RedisSessionStore extends SessionStore {
  private readonly client: ReturnType<typeof redis.createClient>

  constructor(url: string, ttlMs: number) {
    super(ttlMs)
    this.client = redis.createClient({
      url,
      disableOfflineQueue: true,
      socket: {
        connectTimeout: 1000,
        reconnectStrategy: (retries: number) => {
          const delay = Math.min(100 * (retries + 1), 1000)
          return delay + Math.floor(Math.random() * 100)
        },
      },
    })
    this.client.on('error', (error: Error) => logger.warn(`Redis error: ${error.message}`))
    this.client.on('ready', () => logger.success('Redis connection ready'))
    this.client.on('reconnecting', () => logger.info('Redis reconnecting...'))
  }

  async initialize(): Promise<void> {
    await this.client.connect()
  }

  async createSession(user: string, previousId: string | null): Promise<string> {
    const id = this.generateId()
    const key = this.key(id)
    const transaction = this.client.multi()
    if (previousId) transaction.del(this.key(previousId))
    transaction.hSet(key, { user, visits: 0, items: 0, createdAt: Date.now() })
    transaction.pExpire(key, this.ttlMs)
    await this.withTimeout(transaction.exec())
    return id
  }

  async incrementVisits(id: string | null): Promise<{ user: string; visits: number } | null> {
    const result = await this.increment(id, 'visits')
    return result ? { user: result.user, visits: result.count } : null
  }

  async addToCart(id: string | null, _item: string): Promise<{ items: number } | null> {
    const result = await this.increment(id, 'items')
    return result ? { items: result.count } : null
  }

  async destroySession(id: string | null): Promise<void> {
    await this.withTimeout(this.client.del(this.key(id ?? '')))
  }

  /**
   * All four commands run as one unit. For a session that does not exist, HINCRBY creates a hash without a user.
   * No session ever lacks a user, so such a hash is ignored, expires, and is removed right away.
   */
  private async increment(
    id: string | null,
    field: 'visits' | 'items',
  ): Promise<{ user: string; count: number } | null> {
    const key = this.key(id ?? '')
    const replies = (await this.withTimeout(
      this.client.multi().hGet(key, 'user').hIncrBy(key, field, 1).pExpire(key, this.ttlMs).exec(),
    )) as unknown as [string | null, number, number]
    const [user, count] = replies
    if (user === null || user === undefined) {
      await this.withTimeout(this.client.del(key))
      return null
    }
    return { user, count }
  }

  private key(id: string): string {
    return `session:${this.hashId(id)}`
  }

  private withTimeout<T>(promise: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const timeout = setTimeout(() => {
        reject(new Error(`Redis operation timed out after ${CONSTANTS.STORE_TIMEOUT_MS}ms`))
      }, CONSTANTS.STORE_TIMEOUT_MS)
      promise
        .then(resolve)
        .catch(reject)
        .finally(() => clearTimeout(timeout))
    })
  }
}

/** Factory function for creating the appropriate session store */
function createSessionStore(config: Config): SessionStore {
  return config.redisUrl
    ? new RedisSessionStore(config.redisUrl, config.sessionTtlMs)
    : new LmdbSessionStore(config.dataDir, config.sessionTtlMs)
}

// ============================================================================
// HTTP Layer
// ============================================================================

class ValidationError extends Error {
  override name = 'ValidationError'
}

interface Context {
  req: http.IncomingMessage
  res: http.ServerResponse
  query: URLSearchParams
  sessionId: string | null
}

type Handler = (context: Context) => Promise<void> | void

class Router {
  private readonly routes = new Map<string, Map<string, Handler>>()

  register(method: string, path: string, handler: Handler): this {
    const methods = this.routes.get(path) ?? new Map<string, Handler>()
    methods.set(method, handler)
    this.routes.set(path, methods)
    return this
  }

  resolve(
    method: string,
    path: string,
  ): { handler: Handler } | { status: 404 } | { status: 405; allow: string } {
    const methods = this.routes.get(path)
    if (!methods) return { status: 404 }
    const handler = methods.get(method)
    if (!handler) return { status: 405, allow: [...methods.keys()].join(', ') }
    return { handler }
  }
}

function sendJson(res: http.ServerResponse, status: number, body: unknown): void {
  const payload = JSON.stringify(body)
  res.writeHead(status, {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(payload),
    'Cache-Control': 'no-store',
  })
  res.end(payload)
}

function parseCookies(header: string | undefined): Record<string, string> {
  const cookies: Record<string, string> = Object.create(null)
  if (!header) return cookies
  for (const pair of header.split(';')) {
    const index = pair.indexOf('=')
    if (index === -1) continue
    const name = pair.slice(0, index).trim()
    if (name in cookies) continue
    cookies[name] = decodeURIComponent(pair.slice(index + 1).trim())
  }
  return cookies
}

async function readJsonBody(req: http.IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = []
  for await (const chunk of req) chunks.push(chunk as Buffer)
  let parsed: unknown
  try {
    parsed = JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch {
    throw new ValidationError('Request body must be valid JSON')
  }
  if (parsed === null || typeof parsed !== 'object' || Array.isArray(parsed)) {
    throw new ValidationError('Request body must be a JSON object')
  }
  return parsed as Record<string, unknown>
}

function requireString(body: Record<string, unknown>, field: string): string {
  const value = body[field]
  if (typeof value !== 'string' || value.trim().length === 0) {
    throw new ValidationError(`Field "${field}" must be a non-empty string`)
  }
  return value
}

const metrics = { requests: 0, errors: 0, startedAt: Date.now() }

function createRouter(store: SessionStore): Router {
  return new Router()
    .register('GET', '/', ({ res }) => {
      sendJson(res, 200, {
        status: 'ok',
        worker: cluster.worker?.id,
        pid: process.pid,
        uptime: process.uptime(),
      })
    })
    .register('GET', '/health', ({ res }) => sendJson(res, 200, { healthy: true }))
    .register('GET', '/metrics', ({ res }) => sendJson(res, 200, metrics))
    .register('GET', '/render', ({ res, query }) => {
      const html = renderHandbook(query.get('visitor') ?? 'anonymous')
      res.writeHead(200, {
        'Content-Type': 'text/html; charset=utf-8',
        'Content-Length': Buffer.byteLength(html),
      })
      res.end(html)
    })
    .register('POST', '/login', async ({ req, res, sessionId }) => {
      const user = requireString(await readJsonBody(req), 'user')
      const id = await store.createSession(user, sessionId)
      res.setHeader(
        'Set-Cookie',
        `${CONSTANTS.COOKIE_NAME}=${id}; HttpOnly; Path=/; SameSite=Lax; Priority=High`,
      )
      res.statusCode = 204
      res.end()
    })
    .register('GET', '/me', async ({ res, sessionId }) => {
      const result = await store.incrementVisits(sessionId)
      if (!result) return sendJson(res, 401, { error: 'Unauthorized' })
      sendJson(res, 200, result)
    })
    .register('POST', '/cart', async ({ req, res, sessionId }) => {
      const item = requireString(await readJsonBody(req), 'item')
      const result = await store.addToCart(sessionId, item)
      if (!result) return sendJson(res, 401, { error: 'Unauthorized' })
      sendJson(res, 200, result)
    })
    .register('POST', '/logout', async ({ res, sessionId }) => {
      await store.destroySession(sessionId)
      res.writeHead(204)
      res.end()
    })
}

// ============================================================================
// Worker Process
// ============================================================================

async function startWorker(config: Config): Promise<void> {
  const store = createSessionStore(config)
  try {
    await store.initialize()
  } catch (error) {
    logger.error(`Failed to initialize session store (${config.dataDir}): ${(error as Error).message}`)
    process.exit(EXIT_CODES.STORE_UNAVAILABLE)
  }
  const router = createRouter(store)

  const server = http.createServer((req, res) => {
    void (async () => {
      metrics.requests++
      const [path = '/', ...rest] = (req.url ?? '/').split('?')
      const resolved = router.resolve(req.method ?? 'GET', path)
      if ('status' in resolved) {
        if (resolved.status === 405) res.setHeader('Allow', resolved.allow)
        req.resume()
        return sendJson(res, resolved.status, {
          error: resolved.status === 404 ? 'Not Found' : 'Method Not Allowed',
        })
      }
      try {
        await resolved.handler({
          req,
          res,
          query: new URLSearchParams(rest.join('?')),
          sessionId: parseCookies(req.headers.cookie)[CONSTANTS.COOKIE_NAME] ?? null,
        })
      } catch (error) {
        metrics.errors++
        if (error instanceof ValidationError) return sendJson(res, 400, { error: error.message })
        if (!res.headersSent) sendJson(res, 503, { error: 'Service Unavailable' })
      }
    })()
  })

  server.on('error', (error: NodeJS.ErrnoException) => {
    logger.error(`Server error: ${error.message}`)
    process.exit(EXIT_CODES.PORT_UNAVAILABLE)
  })

  server.listen(config.port, () => logger.success(`Worker ${cluster.worker?.id} is listening 🚀`))

  // Periodic maintenance, by the worker with the lowest id
  if (store instanceof LmdbSessionStore) {
    process.on('message', (message: unknown) => {
      if (message === 'cleanup') {
        try {
          logger.info(`🧹 Removed ${store.cleanup()} expired sessions`)
        } catch (error) {
          logger.warn(`Cleanup failed: ${(error as Error).message}`)
        }
      }
    })
  }

  // Graceful shutdown
  process.on('SIGTERM', () => {
    logger.info('SIGTERM received, shutting down gracefully...')
    server.close(() => process.exit(EXIT_CODES.OK))
    server.closeIdleConnections()
    setTimeout(() => process.exit(EXIT_CODES.OK), CONSTANTS.SHUTDOWN_TIMEOUT_MS).unref()
  })
}

// ============================================================================
// Primary Process
// ============================================================================

class ClusterManager {
  private readonly config: Config
  private readonly ready = new Set<Worker>()
  private announced = false
  private shuttingDown = false

  constructor(config: Config) {
    this.config = config
  }

  start(): void {
    logger.info(`🎯 Primary ${process.pid} is running, starting ${this.config.workers} workers`)
    cluster.on('listening', (worker) => this.onListening(worker))
    cluster.on('exit', (worker, code, signal) => this.onExit(worker, code, signal))
    for (const signal of ['SIGTERM', 'SIGINT'] as const)
      process.on(signal, () => void this.shutdown(EXIT_CODES.OK))
    for (let i = 0; i < this.config.workers; i++) cluster.fork()
    setInterval(() => [...this.ready][0]?.send('cleanup'), 60_000).unref()
  }

  private onListening(worker: Worker): void {
    this.ready.add(worker)
    if (!this.announced && this.ready.size === this.config.workers) {
      this.announced = true
      console.log(`ready: ${this.config.workers} workers on port ${this.config.port}`)
    }
  }

  private onExit(worker: Worker, code: number, signal: string | null): void {
    const wasReady = this.ready.delete(worker)
    if (this.shuttingDown) return
    if (
      code === EXIT_CODES.STORE_UNAVAILABLE ||
      (!wasReady && ['SIGSEGV', 'SIGBUS', 'SIGABRT'].includes(signal ?? ''))
    ) {
      logger.error(`Session store could not be opened: ${this.config.dataDir}`)
      void this.shutdown(EXIT_CODES.FATAL)
      return
    }
    if (code === EXIT_CODES.PORT_UNAVAILABLE) {
      logger.error(`Port ${this.config.port} is not available`)
      void this.shutdown(EXIT_CODES.FATAL)
      return
    }
    logger.warn(`Worker ${worker.id} died (${signal ?? code}), restarting...`)
    setTimeout(
      () => {
        if (!this.shuttingDown) cluster.fork()
      },
      wasReady ? 100 : 1000,
    )
  }

  private async shutdown(exitCode: number): Promise<void> {
    if (this.shuttingDown) return
    this.shuttingDown = true
    logger.info('Shutting down...')
    const workers = Object.values(cluster.workers ?? {}) as Worker[]
    await Promise.all(
      workers.map(
        (worker) =>
          new Promise<void>((resolve) => {
            const force = setTimeout(
              () => worker.process.kill('SIGKILL'),
              CONSTANTS.SHUTDOWN_TIMEOUT_MS + 1000,
            )
            worker.once('exit', () => {
              clearTimeout(force)
              resolve()
            })
            worker.process.kill('SIGTERM')
          }),
      ),
    )
    process.exitCode = exitCode
    process.exit()
  }
}

// ============================================================================
// Entry Point
// ============================================================================

async function main(): Promise<void> {
  let config: Config
  try {
    config = loadConfig()
  } catch (error) {
    console.error(`❌ ${(error as Error).message}`)
    process.exit(EXIT_CODES.FATAL)
  }
  if (cluster.isPrimary) {
    new ClusterManager(config).start()
  } else {
    await startWorker(config)
  }
}

main().catch((error: unknown) => {
  logger.error(`Fatal: ${String(error)}`)
  process.exit(EXIT_CODES.FATAL)
})

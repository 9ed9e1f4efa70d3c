// caught by: a crashed worker is gone soon after SHUTDOWN_MS

import cluster, { type Worker } from 'node:cluster'
import http from 'node:http'
import type { Socket } from 'node:net'
import os from 'node:os'
import { renderHandbook } from '#handbook'

// ============================================================================
// Configuration
// ============================================================================

interface ClusterConfig {
  readonly port: number
  readonly adminPort: number
  readonly workerCount: number
  readonly shutdownTimeoutMs: number
  readonly backoff: {
    readonly baseMs: number
    readonly factor: number
    readonly maxMs: number
    readonly jitterMs: number
  }
  readonly bootFailureBudget: number
  readonly bootTimeoutMs: number
}

class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError'
}

function loadConfig(env: NodeJS.ProcessEnv): ClusterConfig {
  return {
    port: Number.parseInt(env.PORT || '8000', 10),
    adminPort: Number.parseInt(env.ADMIN_PORT || '9000', 10),
    workerCount: parseWorkerCount(env.WORKERS),
    shutdownTimeoutMs: Number.parseInt(env.SHUTDOWN_MS || '5000', 10),
    backoff: { baseMs: 200, factor: 1.7, maxMs: 2_000, jitterMs: 50 },
    bootFailureBudget: 5,
    bootTimeoutMs: 12_000,
  }
}

function parseWorkerCount(raw: string | undefined): number {
  if (raw === undefined || raw.length === 0) return os.availableParallelism()
  if (!/^[0-9]+$/.test(raw))
    throw new ConfigurationError(`Invalid value for WORKERS: "${raw}" (expected an integer between 1 and 64)`)
  const parsed = Number.parseInt(raw, 10)
  if (parsed < 1 || parsed > 64)
    throw new ConfigurationError(`Invalid value for WORKERS: "${raw}" (expected an integer between 1 and 64)`)
  return parsed
}

// ============================================================================
// Logging
// ============================================================================

type LogLevel = 'INFO' | 'WARN' | 'ERROR'

class Logger {
  private readonly scope: string

  constructor(scope: string) {
    this.scope = scope
  }

  info(message: string, context?: object): void {
    this.write('INFO', message, context)
  }

  warn(message: string, context?: object): void {
    this.write('WARN', message, context)
  }

  error(message: string, context?: object): void {
    this.write('ERROR', message, context)
  }

  private write(level: LogLevel, message: string, context?: object): void {
    const suffix = context ? ` ${JSON.stringify(context)}` : ''
    process.stderr.write(
      `[${new Date().toISOString()}] [${level}] [${this.scope}:${process.pid}] ${message}${suffix}\n`,
    )
  }
}

// ============================================================================
// IPC protocol
// ============================================================================

const MessageType = {
  Crashed: 'worker:crashed',
  Shutdown: 'primary:shutdown',
} as const
type MessageType = (typeof MessageType)[keyof typeof MessageType]

interface IpcMessage {
  readonly type: MessageType
  readonly timestamp: number
  readonly payload?: unknown
}

function isIpcMessage(value: unknown): value is IpcMessage {
  return typeof value === 'object' && value !== null && 'type' in value
}

const EXIT_PORT_UNAVAILABLE = 77

// ============================================================================
// Managed worker
// ============================================================================

const WorkerState = {
  Starting: 'starting',
  Listening: 'listening',
  Draining: 'draining',
} as const
type WorkerState = (typeof WorkerState)[keyof typeof WorkerState]

class ManagedWorker {
  public state: WorkerState = WorkerState.Starting
  public readonly startedAt: Date = new Date()
  public restartsSlotOf: ManagedWorker | null = null
  public exited = false
  public hasCrashed = false
  private drainTimer: NodeJS.Timeout | null = null

  public readonly worker: Worker

  constructor(worker: Worker) {
    this.worker = worker

    this.worker.on('error', () => {
      /* The exit event tells everything that we need to know. */
    })
  }

  get id(): number {
    return this.worker.id
  }

  get pid(): number | undefined {
    return this.worker.process.pid
  }

  get isActive(): boolean {
    return !this.exited && this.state !== WorkerState.Draining
  }

  /** Starts the graceful shutdown of this worker. Idempotent. */
  beginDrain(timeoutMs: number, onTimeout: () => void): void {
    if (!this.isActive) return
    this.state = WorkerState.Draining
    const message: IpcMessage = { type: MessageType.Shutdown, timestamp: Date.now() }
    this.worker.send(message, () => this.ignore())
    this.worker.disconnect()
    this.drainTimer = setTimeout(() => {
      onTimeout()
      this.worker.process.kill('SIGKILL')
    }, timeoutMs)
  }

  markExited(): void {
    this.exited = true
    if (this.drainTimer) clearTimeout(this.drainTimer)
  }

  toJSON(): object {
    return {
      id: this.id,
      pid: this.pid,
      state: this.state,
      startedAt: this.startedAt.toISOString(),
      uptimeMs: Date.now() - this.startedAt.getTime(),
    }
  }

  private ignore(): void {}
}

// ============================================================================
// Backoff strategy
// ============================================================================

class ExponentialBackoff {
  private attempt = 0
  private lastFailure = 0

  private readonly options: ClusterConfig['backoff']

  constructor(options: ClusterConfig['backoff']) {
    this.options = options
  }

  next(): number {
    const now = Date.now()
    // A quiet period resets the strategy.
    if (now - this.lastFailure > 30_000) this.attempt = 0
    this.lastFailure = now
    const { baseMs, factor, maxMs, jitterMs } = this.options
    const delay = Math.min(baseMs * factor ** this.attempt, maxMs)
    this.attempt += 1
    return Math.round(delay + Math.random() * jitterMs)
  }
}

// ============================================================================
// Cluster manager (primary process)
// ============================================================================

class ClusterManager {
  private readonly logger = new Logger('primary')
  private readonly workers = new Map<number, ManagedWorker>()
  private readonly backoff: ExponentialBackoff
  private readonly restartTimers = new Set<NodeJS.Timeout>()
  private consecutiveBootFailures = 0
  private isReloading = false
  private isShuttingDown = false
  private exitCode = 0
  private hasAnnouncedReady = false

  private readonly config: ClusterConfig

  constructor(config: ClusterConfig) {
    this.config = config

    this.backoff = new ExponentialBackoff(config.backoff)
  }

  public start(): void {
    this.registerClusterEvents()
    this.registerSignalHandlers()
    this.startAdminServer()
    this.logger.info(`🚀 Starting cluster with ${this.config.workerCount} worker(s)`)
    this.ensureWorkerCount()
  }

  private registerClusterEvents(): void {
    cluster.on('listening', (worker, address) => this.handleListening(worker, address.port))
    cluster.on('message', (worker, message: unknown) => this.handleMessage(worker, message))
    cluster.on('exit', (worker, code, signal) => this.handleExit(worker, code, signal))
  }

  private registerSignalHandlers(): void {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        this.logger.info(`📥 Received ${signal}`)
        this.shutdown(0)
      })
    }
    process.on('SIGHUP', () => {
      this.logger.info('📥 Received SIGHUP')
      this.requestReload()
    })
  }

  private spawnWorker(): ManagedWorker {
    const managed = new ManagedWorker(cluster.fork())
    this.workers.set(managed.id, managed)
    this.logger.info('Worker forked', { id: managed.id, pid: managed.pid })
    return managed
  }

  private activeWorkers(): ManagedWorker[] {
    return [...this.workers.values()].filter((worker) => {
      if (!worker.isActive) return false
      return worker.restartsSlotOf === null || !worker.restartsSlotOf.isActive
    })
  }

  private ensureWorkerCount(): void {
    if (this.isShuttingDown) return
    const missing = this.config.workerCount - this.activeWorkers().length
    for (let i = 0; i < missing; i++) this.spawnWorker()
  }

  private scheduleRestart(managed?: ManagedWorker): void {
    if (this.isShuttingDown) return
    const delay = this.backoff.next()
    this.logger.info(`⏳ Replacing worker in ${delay}ms`)
    const timer = setTimeout(() => {
      this.restartTimers.delete(timer)
      if (this.activeWorkers().length < this.config.workerCount || managed?.hasCrashed) this.spawnWorker()
    }, delay)
    this.restartTimers.add(timer)
  }

  private handleListening(worker: Worker, port: number): void {
    const managed = this.workers.get(worker.id)
    if (!managed || managed.state !== WorkerState.Starting) return
    managed.state = WorkerState.Listening
    this.consecutiveBootFailures = 0
    this.logger.info('✅ Worker is listening', { id: managed.id, pid: managed.pid })
    const listening = [...this.workers.values()].filter(
      (candidate) => candidate.state === WorkerState.Listening,
    ).length
    if (!this.hasAnnouncedReady && listening >= this.config.workerCount) {
      this.hasAnnouncedReady = true
      process.stdout.write(`ready: ${this.config.workerCount} workers on port ${port}\n`)
    }
  }

  private handleMessage(worker: Worker, message: unknown): void {
    if (!isIpcMessage(message) || message.type !== MessageType.Crashed) return
    const managed = this.workers.get(worker.id)
    if (!managed?.isActive) return
    this.logger.warn('💥 Worker crashed, draining', { id: managed.id, reason: message.payload })
    managed.hasCrashed = true
    this.drain(managed)
    this.scheduleRestart()
  }

  private handleExit(worker: Worker, code: number | null, signal: string | null): void {
    const managed = this.workers.get(worker.id)
    if (!managed) return
    managed.markExited()
    this.workers.delete(worker.id)
    this.logger.info('Worker exited', { id: managed.id, code, signal, state: managed.state })

    if (this.isShuttingDown) {
      this.exitIfDone()
      return
    }
    const killed = managed.hasCrashed && signal !== null
    if (managed.state === WorkerState.Draining && !killed) return
    if (code === EXIT_PORT_UNAVAILABLE) {
      this.logger.error(`❌ Port ${this.config.port} is already in use`)
      this.shutdown(1)
      return
    }
    const isReplacement = managed.restartsSlotOf !== null
    if (managed.state === WorkerState.Starting && !isReplacement) {
      this.consecutiveBootFailures += 1
      if (this.consecutiveBootFailures >= this.config.bootFailureBudget) {
        this.logger.error(`❌ ${this.consecutiveBootFailures} workers in a row failed to start. Giving up.`)
        this.shutdown(1)
        return
      }
    }
    this.scheduleRestart(managed)
  }

  private drain(managed: ManagedWorker): void {
    managed.beginDrain(this.config.shutdownTimeoutMs, () => {
      this.logger.warn('⏰ Drain timed out, killing worker', { id: managed.id })
      if (this.isShuttingDown) this.exitCode = 1
    })
  }

  // -- Graceful shutdown ------------------------------------------------------

  private shutdown(exitCode: number): void {
    if (this.isShuttingDown) {
      this.logger.info('Shutdown already in progress')
      return
    }
    this.isShuttingDown = true
    this.exitCode = exitCode
    for (const timer of this.restartTimers) clearTimeout(timer)
    for (const managed of this.workers.values()) this.drain(managed)
    this.exitIfDone()
  }

  private exitIfDone(): void {
    if (this.workers.size > 0) return
    this.logger.info(`👋 Bye (exit code ${this.exitCode})`)
    process.exit(this.exitCode)
  }

  // -- Rolling reload ---------------------------------------------------------

  private requestReload(): boolean {
    if (this.isReloading || this.isShuttingDown) return false
    this.isReloading = true
    this.performRollingReload()
      .catch((error: unknown) => {
        this.logger.error(`⚠️ Reload failed: ${error instanceof Error ? error.message : String(error)}`)
      })
      .finally(() => {
        this.isReloading = false
        this.ensureWorkerCount()
      })
    return true
  }

  private async performRollingReload(): Promise<void> {
    const outdated = [...this.workers.values()].filter((worker) => worker.isActive)
    this.logger.info(`🔄 Rolling reload of ${outdated.length} worker(s)`)
    for (const [index, old] of outdated.entries()) {
      if (this.isShuttingDown) return
      if (!old.isActive) continue
      const replacement = this.spawnWorker()
      replacement.restartsSlotOf = old
      const ok = await this.waitUntilListening(replacement)
      if (this.isShuttingDown) return
      if (!ok)
        throw new Error(
          `replacement ${index + 1} of ${outdated.length} exited before it was listening; old workers are kept`,
        )
      this.drain(old)
      await this.waitUntilGone(old)
    }
    this.logger.info('🔄 Rolling reload complete')
  }

  private waitUntilListening(managed: ManagedWorker): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => managed.worker.process.kill('SIGKILL'), this.config.bootTimeoutMs)
      const settle = (result: boolean) => (): void => {
        clearTimeout(timer)
        resolve(result)
      }
      managed.worker.once('listening', settle(true))
      managed.worker.once('exit', settle(false))
    })
  }

  private async waitUntilGone(managed: ManagedWorker): Promise<void> {
    if (managed.exited) return
    await new Promise<void>((resolve) => {
      managed.worker.once('exit', () => resolve())
    })
  }

  // -- Admin API --------------------------------------------------------------

  private startAdminServer(): void {
    const server = http.createServer((req, res) => {
      const pathname = (req.url ?? '/').split('?')[0]
      const respond = (status: number, body: unknown): void => {
        const payload = JSON.stringify(body, null, 2)
        res.writeHead(status, {
          'Content-Type': 'application/json',
          'Content-Length': Buffer.byteLength(payload),
        })
        res.end(payload)
      }
      switch (pathname) {
        case '/health':
          return respond(200, { status: 'ok' })
        case '/workers':
          if (req.method !== 'GET') return respond(405, { error: 'Method Not Allowed' })
          return respond(200, [...this.workers.values()])
        case '/reload': {
          if (req.method !== 'POST') return respond(405, { error: 'Method Not Allowed' })
          if (this.requestReload()) return respond(202, { status: 'accepted' })
          return respond(409, { error: 'A reload is already in progress' })
        }
        default:
          return respond(404, { error: 'Not Found' })
      }
    })
    server.listen(this.config.adminPort, '127.0.0.1')
  }
}

// ============================================================================
// Worker process
// ============================================================================

class HttpWorker {
  private readonly logger = new Logger('worker')
  private readonly server: http.Server
  private readonly inFlight = new Set<http.ServerResponse>()
  private readonly unusedSockets = new Set<Socket>()
  private isDraining = false
  private hasListened = false

  private readonly config: Pick<ClusterConfig, 'port' | 'shutdownTimeoutMs'>

  constructor(config: Pick<ClusterConfig, 'port' | 'shutdownTimeoutMs'>) {
    this.config = config

    this.server = http.createServer((req, res) => this.handleRequest(req, res))
  }

  public start(): void {
    this.registerProcessHandlers()
    this.server.on('connection', (socket: Socket) => {
      this.unusedSockets.add(socket)
      socket.once('close', () => this.unusedSockets.delete(socket))
    })
    this.server.on('error', (error: Error) => {
      this.logger.error(`Cannot listen: ${error.message}`)
      process.exit(EXIT_PORT_UNAVAILABLE)
    })
    this.server.listen(this.config.port, () => {
      this.hasListened = true
    })
  }

  private registerProcessHandlers(): void {
    // The primary decides when workers stop.
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => {})

    process.on('uncaughtException', (error) => this.handleFatal('uncaughtException', error))
    process.on('unhandledRejection', (reason) => this.handleFatal('unhandledRejection', reason))
    process.on('message', (message: unknown) => {
      if (isIpcMessage(message) && message.type === MessageType.Shutdown) this.beginDrain()
    })
    process.on('disconnect', () => process.exit())
    if (!process.connected) process.exit()
  }

  private handleFatal(origin: string, reason: unknown): void {
    process.exitCode = 1
    const text = reason instanceof Error ? (reason.stack ?? reason.message) : String(reason)
    this.logger.error(`${origin}: ${text}`)
    if (!this.hasListened) process.exit(1)
    const message: IpcMessage = {
      type: MessageType.Crashed,
      timestamp: Date.now(),
      payload: text.split('\n')[0],
    }
    process.send?.(message, undefined, undefined, () => {})
  }

  private beginDrain(): void {
    if (this.isDraining) return
    this.isDraining = true
    for (const res of this.inFlight) this.closeConnectionAfter(res)
    const closeUnused = (): void => {
      for (const socket of this.unusedSockets) socket.destroy()
    }
    // Read pending input before closing anything.
    setTimeout(
      () => setImmediate(() => setImmediate(closeUnused)),
      Math.min(1_000, this.config.shutdownTimeoutMs / 2),
    ).unref()
  }

  private closeConnectionAfter(res: http.ServerResponse): void {
    if (!res.headersSent) res.setHeader('Connection', 'close')
    else res.once('finish', () => res.req.socket.destroySoon())
  }

  private handleRequest(req: http.IncomingMessage, res: http.ServerResponse): void {
    this.unusedSockets.delete(req.socket)
    this.inFlight.add(res)
    res.once('close', () => this.inFlight.delete(res))
    if (this.isDraining) this.closeConnectionAfter(res)
    res.setHeader('X-Served-By', `worker-${cluster.worker?.id ?? 0}`)
    res.setHeader('X-Content-Type-Options', 'nosniff')

    const raw = req.url ?? '/'
    const separator = raw.indexOf('?')
    const pathname = separator < 0 ? raw : raw.slice(0, separator)
    const params = new URLSearchParams(separator < 0 ? '' : raw.slice(separator + 1))

    const handlers: Record<string, () => void> = {
      '/': () =>
        this.json(res, 200, { pid: process.pid, worker: cluster.worker?.id, uptime: process.uptime() }),
      '/health': () => this.json(res, 200, { status: this.isDraining ? 'draining' : 'ok' }),
      '/render': () => {
        res.setHeader('Content-Type', 'text/html; charset=utf-8')
        res.end(renderHandbook(params.get('visitor') ?? 'stranger'))
      },
      '/slow': () => {
        const ms = Number(params.get('ms') ?? '0')
        setTimeout(() => this.json(res, 200, { waited: ms }), ms)
      },
      '/crash': () => {
        this.json(res, 200, { message: 'crashing soon' })
        setTimeout(() => {
          throw new Error('Simulated crash')
        }, 10)
      },
    }
    const handler = Object.hasOwn(handlers, pathname) ? handlers[pathname] : undefined
    if (!handler) return this.json(res, 404, { error: 'Not Found' })
    if (req.method !== 'GET' && req.method !== 'HEAD') {
      res.setHeader('Allow', 'GET, HEAD')
      return this.json(res, 405, { error: 'Method Not Allowed' })
    }
    return handler()
  }

  private json(res: http.ServerResponse, status: number, body: unknown): void {
    const payload = JSON.stringify(body, null, 2) + '\n'
    res.writeHead(status, {
      'Content-Type': 'application/json; charset=utf-8',
      'Content-Length': Buffer.byteLength(payload),
    })
    res.end(payload)
  }
}

// ============================================================================
// Entry point
// ============================================================================

function main(): void {
  if (cluster.isPrimary) {
    try {
      new ClusterManager(loadConfig(process.env)).start()
    } catch (error) {
      if (!(error instanceof ConfigurationError)) throw error
      process.stderr.write(`${error.message}\n`)
      process.exitCode = 1
    }
  } else {
    if (process.env.CRASH_ON_BOOT === '1') throw new Error('CRASH_ON_BOOT is set')
    new HttpWorker({
      port: Number(process.env.PORT || 8000),
      shutdownTimeoutMs: Number(process.env.SHUTDOWN_MS || 5000),
    }).start()
  }
}

main()

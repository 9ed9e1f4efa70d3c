// caught by: a worker over MAX_RSS_MB is retired without a failed request
// After a worker was retired for its memory, no other one is for a minute.

import cluster, { type Worker } from 'node:cluster'
import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import inspector from 'node:inspector'
import type { Socket } from 'node:net'
import { availableParallelism } from 'node:os'
import { performance } from 'node:perf_hooks'
import { renderHandbook } from '#handbook'

const port = Number(process.env.PORT || 8000)
const adminPort = Number(process.env.ADMIN_PORT || 9000)

const shutdownMs = Number(process.env.SHUTDOWN_MS || 5000)
const hangMs = Number(process.env.HANG_MS || 2000)
const maxRssMb = Number(process.env.MAX_RSS_MB || 512)

const cannotListen = 69

function wantedWorkers(): number | undefined {
  const text = process.env.WORKERS
  if (text === undefined || text === '') return availableParallelism()
  const workers = /^\d+$/.test(text) ? Number(text) : 0
  return workers >= 1 && workers <= 64 ? workers : undefined
}

interface Member {
  readonly worker: Worker
  readonly startedAt: string
  state: 'starting' | 'listening' | 'draining'
  spare: boolean
  successor: Member | undefined
  silentLooks: number
  readonly listens: Promise<boolean>
  readonly gone: Promise<void>
}

const crew = new Map<number, Member>()

function recruit(spare = false): Member {
  const worker = cluster.fork()
  worker.on('error', () => {})
  const member: Member = {
    worker,
    startedAt: new Date().toISOString(),
    state: 'starting',
    spare,
    successor: undefined,
    silentLooks: 0,
    listens: new Promise((resolve) => {
      worker.once('listening', () => resolve(true))
      worker.once('exit', () => resolve(false))
    }),
    gone: new Promise((resolve) => worker.once('exit', () => resolve())),
  }
  crew.set(worker.id, member)
  return member
}

function drain(member: Member): void {
  if (member.state === 'draining') return
  if (member.state === 'starting') member.worker.process.kill('SIGTERM')
  member.state = 'draining'
  if (member.successor) member.successor.spare = false // its place is taken already
  member.worker.send({ type: 'drain' }, () => {})
  member.worker.disconnect()
  const deadline = setTimeout(() => kill(member), shutdownMs)
  void member.gone.then(() => clearTimeout(deadline))
}

function kill(member: Member): void {
  member.worker.process.kill('SIGKILL')
}

function staying(): number {
  return [...crew.values()].filter(({ state, spare }) => state !== 'draining' && !spare).length
}

function listening(): Member[] {
  return [...crew.values()].filter(({ state }) => state === 'listening')
}

const bootBudget = 5

interface FromWorker {
  readonly type: 'beat' | 'leaving'
  readonly rss?: number
}

let wanted = 0
let bootDeaths = 0
let reloading = false
let retiredAt = 0
let ending: { code: 0 | 1 } | undefined

function lead(): void {
  const workers = wantedWorkers()
  if (workers === undefined) {
    console.error(`WORKERS must be a whole number from 1 to 64, not ${JSON.stringify(process.env.WORKERS)}`)
    process.exitCode = 1
    return
  }
  wanted = workers
  let announced = false

  cluster.on('listening', (worker, address) => {
    const member = crew.get(worker.id)
    if (member?.state !== 'starting') return
    member.state = 'listening'
    member.silentLooks = 0
    bootDeaths = 0
    tellReadiness()
    if (announced || listening().length < wanted) return
    announced = true
    console.log(`ready: ${wanted} workers on port ${address.port}`)
  })

  cluster.on('message', (worker, message: FromWorker | null) => {
    const member = crew.get(worker.id)
    if (member === undefined) return
    if (message?.type === 'beat') {
      if (heard(member, message.rss) !== 'too big' || Date.now() - retiredAt < 60_000) return
      retiredAt = Date.now()
      void replace(member)
    } else if (message?.type === 'leaving' && member.state !== 'draining') {
      letGo(member)
      setTimeout(refill, pauseBeforeFork())
    }
  })

  cluster.on('exit', (worker, code, signal) => {
    const member = crew.get(worker.id)
    crew.delete(worker.id)
    tellReadiness()
    if (ending !== undefined) {
      if (signal === 'SIGKILL') ending.code = 1
      return endWhenAllAreGone()
    }
    if (code === cannotListen)
      return end(1, `port ${port} is taken, or not ours to use: no worker can listen on it`)
    if (member?.state === 'starting' && !member.spare) {
      bootDeaths += 1
      const why = `giving up: ${bootDeaths} workers in a row died before they listened, the last with ${signal ?? `exit code ${code}`}`
      if (bootDeaths >= bootBudget) return end(1, why)
    }
    setTimeout(refill, pauseBeforeFork())
  })

  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => end(0))
  process.on('SIGHUP', () => void reload())
  serveAdmin(adminPort, { isReady, reload, retire })
  startTicking()
  watch()
  refill()
}

function refill(): void {
  while (ending === undefined && staying() < wanted) recruit()
}

function pauseBeforeFork(): number {
  return Math.min(100 * 2 ** bootDeaths, 2000)
}

function letGo(member: Member): void {
  drain(member)
  tellReadiness()
}

async function replace(old: Member): Promise<boolean> {
  if (ending !== undefined || !crew.has(old.worker.id) || old.state === 'draining') return true
  if (old.successor) return old.successor.listens // on its way already
  const next = recruit(true)
  old.successor = next
  void old.gone.then(() => (next.spare = false))
  if (!(await next.listens) || ending !== undefined) {
    old.successor = undefined
    return false
  }
  letGo(old)
  await old.gone
  return true
}

function retire(id: number): boolean {
  const member = crew.get(id)
  if (member === undefined) return false
  if (member.state === 'starting') letGo(member)
  else void replaceAtLast(member)
  return true
}

async function replaceAtLast(member: Member): Promise<void> {
  while (!(await replace(member)) && ending === undefined) await new Promise((rest) => setTimeout(rest, 1000))
}

function reload(): boolean {
  if (reloading || ending !== undefined) return false
  reloading = true
  void renew([...crew.values()]).finally(() => (reloading = false))
  return true
}

async function renew(old: readonly Member[]): Promise<void> {
  for (const member of old) {
    if (!(await member.listens) || !crew.has(member.worker.id)) continue
    if (await replace(member)) continue
    if (ending === undefined) console.error('reload stopped: a new worker did not start, the old ones stay')
    return
  }
}

function isReady(): boolean {
  return ending === undefined && listening().length >= wanted / 2
}

function tellReadiness(): void {
  for (const { worker } of listening()) worker.send({ type: 'ready', ready: isReady() }, () => {})
}

function end(code: 0 | 1, why?: string): void {
  if (ending !== undefined) return
  if (why !== undefined) console.error(why)
  ending = { code }
  tellReadiness()
  for (const member of crew.values()) drain(member)
  endWhenAllAreGone()
}

function endWhenAllAreGone(): void {
  if (crew.size === 0) process.exit(ending?.code)
}

const beatMs = Math.max(hangMs / 8, 5)
const silentLooksOfTheHung = 11
const looksToBoot = Math.ceil(10_000 / beatMs)

function beat(): void {
  const send = (): void => {
    if (process.connected)
      process.send?.({ type: 'beat', rss: process.memoryUsage.rss() }, undefined, undefined, () => {})
  }
  send()
  setInterval(send, Math.min(beatMs, 1000)).unref()
}

function heard(member: Member, rss = 0): 'fine' | 'too big' {
  member.silentLooks = 0
  return member.state === 'listening' && rss > maxRssMb * 1024 ** 2 ? 'too big' : 'fine'
}

function watch(): void {
  setInterval(() => {
    for (const member of crew.values()) {
      member.silentLooks += 1
      const patience = member.state === 'starting' ? looksToBoot : silentLooksOfTheHung
      if (member.silentLooks < patience) continue
      console.error(
        `worker ${member.worker.id} (${member.worker.process.pid}) does not turn any more: killed`,
      )
      kill(member)
    }
  }, beatMs)
}

function startTicking(): void {
  setInterval(() => console.log(JSON.stringify({ event: 'tick', time: new Date().toISOString() })), 1000)
}

interface Actions {
  readonly isReady: () => boolean
  readonly reload: () => boolean
  readonly retire: (id: number) => boolean
}

function serveAdmin(port: number, { isReady, reload, retire }: Actions): void {
  const server = createServer((request, response) => {
    const path = request.url?.split('?')[0] ?? ''
    const [, id, action] = /^\/workers\/(\d+)\/(retire|inspect)$/.exec(path) ?? []
    const method = path === '/reload' || action !== undefined ? 'POST' : 'GET'
    if (!['/healthz', '/readyz', '/workers', '/reload'].includes(path) && action === undefined)
      return finish(response, 404)
    if (request.method !== method) return finish(response.setHeader('allow', method), 405)

    if (path === '/healthz') return finish(response, 200)
    if (path === '/readyz') return finish(response, isReady() ? 200 : 503)
    if (path === '/reload') return finish(response, reload() ? 202 : 409)
    if (action === 'retire') return finish(response, retire(Number(id)) ? 202 : 404)
    if (action === 'inspect') return void answerInspect(response, Number(id))
    return sendJson(
      response,
      [...crew.values()].map(({ worker, state, startedAt }) => ({
        id: worker.id,
        pid: worker.process.pid,
        state,
        startedAt,
      })),
    )
  })
  server.on('error', (error) => {
    console.error(`ADMIN_PORT ${port} cannot be used: ${error.message}`)
    process.exit(1)
  })
  server.listen(port, '127.0.0.1')
}

async function answerInspect(response: ServerResponse, id: number): Promise<void> {
  const member = crew.get(id)
  if (member === undefined) return finish(response, 404)
  const url = await inspect(member)
  return url === undefined ? finish(response, 504) : sendJson(response, { url })
}

function finish(response: ServerResponse, status: number): void {
  response.writeHead(status).end()
}

const answerMs = 2000

let inspected: Member | undefined

function inspect(member: Member): Promise<string | undefined> {
  const { worker } = member
  if (inspected !== undefined && inspected !== member)
    inspected.worker.send({ type: 'close-inspector' }, () => {})
  inspected = member
  return new Promise((resolve) => {
    const settle = (url?: string): void => {
      clearTimeout(deadline)
      worker.off('message', listen)
      resolve(url)
    }
    const listen = (message: { type?: string; url?: string } | null): void => {
      if (message?.type === 'inspector') settle(message.url)
    }
    const deadline = setTimeout(settle, answerMs)
    worker.on('message', listen)
    void member.gone.then(() => settle())
    worker.send({ type: 'open-inspector' }, () => {})
  })
}

function openInspector(): void {
  if (inspector.url() === undefined) inspector.open(0, '127.0.0.1')
  process.send?.({ type: 'inspector', url: inspector.url() }, undefined, undefined, () => {})
}

function closeInspector(): void {
  inspector.close()
}

type Route = (query: URLSearchParams, response: ServerResponse) => void

interface FromPrimary {
  readonly type: 'ready' | 'drain' | 'open-inspector' | 'close-inspector'
  readonly ready?: boolean
}

const anchorPattern = /^[a-z0-9]+(?:-[a-z0-9]+)*$/

const silentMs = 1000

function work(): void {
  let ready = false
  let draining = false
  let exitCode = 0
  const open = new Set<ServerResponse>()
  const silent = new Set<Socket>()

  const routes = new Map<string, Route>([
    ['/', (_query, response) => sendJson(response, whoAmI())],
    ['/render', (query, response) => sendPage(response, renderHandbook(query.get('visitor') ?? 'stranger'))],
    [
      '/anchor',
      (query, response) => sendJson(response, { valid: anchorPattern.test(query.get('name') ?? '') }),
    ],
    ['/slow', (query, response) => sendLater(response, Number(query.get('ms')))],
    ['/healthz', (_query, response) => response.end()],
    ['/readyz', (_query, response) => response.writeHead(ready && !draining ? 200 : 503).end()],
  ])

  const server = createServer((request, response) => {
    const requestId = requestIdOf(request)
    response.setHeader('x-request-id', requestId)
    logWhenOver(request, response, requestId)
    silent.delete(request.socket)
    open.add(response)
    response.once('close', () => {
      open.delete(response)
      if (draining) setImmediate(() => server.closeIdleConnections())
    })
    if (draining) response.setHeader('connection', 'close')

    const { path, query } = pathAndQuery(request.url ?? '/')
    const route = routes.get(path)
    if (!route) return refuse(response, 404)
    if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(response, 405)
    return route(query, response)
  })
  server.on('connection', (socket: Socket) => {
    silent.add(socket)
    socket.once('close', () => silent.delete(socket))
  })

  function leave(code: number): void {
    exitCode ||= code
    process.send?.({ type: 'leaving' }, undefined, undefined, () => {})
  }

  function drain(): void {
    if (draining) return
    draining = true
    for (const response of open) if (!response.headersSent) response.setHeader('connection', 'close')
    setTimeout(() => {
      setImmediate(() => setImmediate(() => silent.forEach((socket) => socket.destroy())))
    }, silentMs)
  }

  process.on('SIGTERM', () => leave(0))
  process.on('SIGINT', () => {})
  process.on('uncaughtException', (error) => {
    log('fatal', { error: error instanceof Error ? error.stack : String(error) })
    leave(1)
  })
  process.on('message', (message: FromPrimary | null) => {
    if (message?.type === 'ready') ready = message.ready === true
    else if (message?.type === 'drain') drain()
    else if (message?.type === 'open-inspector') openInspector()
    else if (message?.type === 'close-inspector') closeInspector()
  })
  process.on('disconnect', () => process.exit(exitCode))
  server.on('error', () => process.exit(cannotListen))
  server.listen(port, beat)
}

function whoAmI(): { role: 'worker'; pid: number; ppid: number; worker: number | undefined } {
  return { role: 'worker', pid: process.pid, ppid: process.ppid, worker: cluster.worker?.id }
}

function pathAndQuery(url: string): { path: string; query: URLSearchParams } {
  const mark = url.indexOf('?')
  if (mark === -1) return { path: url, query: new URLSearchParams() }
  return { path: url.slice(0, mark), query: new URLSearchParams(url.slice(mark + 1)) }
}

function sendJson(response: ServerResponse, body: unknown): void {
  response.setHeader('content-type', 'application/json').end(JSON.stringify(body))
}

function sendPage(response: ServerResponse, html: string): void {
  response.setHeader('content-type', 'text/html; charset=utf-8').end(html)
}

function sendLater(response: ServerResponse, ms: number): void {
  const timer = setTimeout(() => sendJson(response, { ...whoAmI(), ms }), Math.min(ms, 2 ** 31 - 1))
  response.on('close', () => clearTimeout(timer))
}

function refuse(response: ServerResponse, status: 404 | 405): void {
  if (status === 405) response.setHeader('allow', 'GET, HEAD')
  response.writeHead(status).end()
}

const safeId = /^[\w.-]{1,128}$/
const longestUrl = 1024

function requestIdOf({ headers }: IncomingMessage): string {
  const offered = headers['x-request-id']
  return typeof offered === 'string' && safeId.test(offered) ? offered : randomUUID()
}

function logWhenOver(request: IncomingMessage, response: ServerResponse, requestId: string): void {
  const began = performance.now()
  response.once('close', () => {
    const { writableFinished: whole, statusCode: status } = response
    log(status >= 500 || !whole ? 'warn' : 'info', {
      requestId,
      method: request.method,
      url: request.url?.slice(0, longestUrl),
      status,
      ms: Math.round((performance.now() - began) * 10) / 10,
      ...(whole ? {} : { aborted: true }),
    })
  })
}

function log(level: 'info' | 'warn' | 'fatal', fields: object): void {
  const line = {
    time: new Date().toISOString(),
    level,
    pid: process.pid,
    worker: cluster.worker?.id,
    ...fields,
  }
  console.log(JSON.stringify(line))
}

if (cluster.isPrimary) lead()
else work()

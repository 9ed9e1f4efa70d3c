// caught by: a request that never ends is cut at SHUTDOWN_MS

import cluster, { type Worker } from 'node:cluster'
import { createServer, type ServerResponse } from 'node:http'
import { availableParallelism } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { renderHandbook } from '#handbook'

const { PORT, ADMIN_PORT, WORKERS, SHUTDOWN_MS, CRASH_ON_BOOT } = process.env
const port = +(PORT || 8000)
const grace = +(SHUTDOWN_MS || 5000)
const n = !WORKERS ? availableParallelism() : /^\d\d?$/.test(WORKERS) && +WORKERS <= 64 ? +WORKERS : 0

type Member = { worker: Worker; gen: number; state: 'starting' | 'listening' | 'draining'; startedAt: Date }

if (cluster.isWorker) serve()
else if (n) lead()
else {
  console.error(`WORKERS: 1 to 64, not ${WORKERS}`)
  process.exitCode = 1
}

function lead() {
  const all = new Map<number, Member>()
  let gen = 0
  let deaths = 0
  let reloading = false
  let ready = false
  let code: number | undefined

  const fork = (of: number): Member => {
    const worker = cluster.fork().on('error', () => {})
    const member: Member = { worker, gen: of, state: 'starting', startedAt: new Date() }
    all.set(worker.id, member)
    return member
  }
  const stay = () => [...all.values()].filter((m) => m.gen === gen && m.state !== 'draining')
  const refill = () => {
    while (code === undefined && stay().length < n) fork(gen)
  }
  const later = () =>
    void setTimeout(
      () => {
        if (code === undefined) return refill()
        drain(fork(gen)) // to be there to the end
      },
      Math.min(2000, 400 * 2 ** deaths),
    )
  const drain = (m: Member) => {
    if (m.state === 'draining') return
    m.state = 'draining'
    m.worker.disconnect()
    const t = setTimeout(() => {
      if (code === 0) code = 1
      m.worker.process.kill('SIGKILL')
    }, grace)
    m.worker.on('exit', () => clearTimeout(t))
  }
  const end = (with_: number, why?: string) => {
    if (code !== undefined) return
    code = with_
    if (why) console.error(why)
    all.forEach(drain)
    if (!all.size) process.exit(code)
  }
  const reload = async () => {
    if (reloading || code !== undefined) return
    reloading = true
    const fresh = Array.from({ length: n }, () => fork(gen + 1))
    const settled = fresh.map(({ worker }) => new Promise((r) => worker.once('listening', r).once('exit', r)))
    const late = setTimeout(
      () => fresh.forEach((m) => m.state === 'starting' && m.worker.process.kill('SIGKILL')),
      9e3,
    )
    await Promise.all(settled)
    clearTimeout(late)
    if (code !== undefined) return
    if (fresh.some((m) => m.state === 'starting')) {
      console.log('reload stopped: a new worker died before it listened')
      fresh.forEach((m) => all.has(m.worker.id) && drain(m))
    } else {
      gen++
      const old = [...all.values()].filter((m) => m.gen < gen)
      old.forEach(drain)
      refill()
      while (old.some((m) => all.has(m.worker.id))) await sleep(20)
    }
    reloading = false
  }

  cluster.on('listening', (worker, { port }) => {
    const m = all.get(worker.id)
    if (m?.state !== 'starting') return
    m.state = 'listening'
    deaths = 0
    if (ready || stay().filter((m) => m.state === 'listening').length < n) return
    ready = true
    console.log(`ready: ${n} workers on port ${port}`)
  })
  cluster.on('message', (worker, text) => {
    const m = all.get(worker.id)
    if (text !== 'crashed' || !m || m.state === 'draining') return
    drain(m)
    later()
  })
  cluster.on('exit', (worker, status, signal) => {
    const m = all.get(worker.id)!
    all.delete(worker.id)
    if (code !== undefined) return all.size ? undefined : process.exit(code)
    if (m.state === 'draining') return
    if (status === 69) return end(1, `cannot listen on port ${port}`)
    if (m.gen > gen) return // its reload sees to it
    if (m.state === 'starting' && ++deaths === 5)
      return end(1, `5 workers in a row died at their start (${signal ?? status})`)
    later()
  })
  process
    .on('SIGTERM', () => end(0))
    .on('SIGINT', () => end(0))
    .on('SIGHUP', reload)
  createServer(({ method, url }, res) => {
    if (url === '/workers' && method === 'GET')
      return res.end(
        JSON.stringify(
          [...all.values()].map(({ worker: w, state, startedAt }) => ({
            id: w.id,
            pid: w.process.pid,
            state,
            startedAt,
          })),
        ),
      )
    if (url !== '/reload') return res.writeHead(url === '/workers' ? 405 : 404).end()
    if (method !== 'POST') return res.writeHead(405).end()
    const free = !reloading && code === undefined
    void reload()
    return res.writeHead(free ? 202 : 409).end()
  }).listen(+(ADMIN_PORT || 9000), '127.0.0.1')
  refill()
}

function serve() {
  if (CRASH_ON_BOOT === '1') throw new Error('CRASH_ON_BOOT')
  for (const s of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(s, () => {})
  process.on('disconnect', () => process.exit())
  if (!process.connected) process.exit()
  process.on('uncaughtException', (error) => {
    console.error(error)
    process.exitCode = 1
    if (server.listening) process.send!('crashed', () => {})
    else if (!listened) process.exit()
  })

  let listened = false
  const send = (res: ServerResponse, status: number, type: string, body: string) => {
    if (!server.listening) res.setHeader('connection', 'close')
    res.writeHead(status, { 'content-type': type }).end(body)
  }
  const server = createServer(({ method, url }, res) => {
    const [path, query] = url!.split(/\?(.*)/s, 2) as [string, string?]
    const q = new URLSearchParams(query)
    if (!['/', '/render', '/slow', '/crash'].includes(path)) return send(res, 404, 'text/plain', '')
    if (method !== 'GET' && method !== 'HEAD') return send(res, 405, 'text/plain', '')
    if (path === '/render')
      return send(res, 200, 'text/html; charset=utf-8', renderHandbook(q.get('visitor') ?? 'stranger'))
    if (path === '/slow') return setTimeout(send, +(q.get('ms') ?? 0), res, 200, 'text/plain', 'done')
    if (path === '/') return send(res, 200, 'application/json', JSON.stringify({ pid: process.pid }))
    setTimeout(() => {
      throw new Error('/crash')
    }, 10)
    send(res, 200, 'text/plain', 'as you like')
  })
  server.on('error', () => process.exit(69)).listen(port, () => (listened = true))
}

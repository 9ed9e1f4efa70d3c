// caught by: Ctrl-C does the same, and a second signal changes nothing

import { spawn } from 'node:child_process'
import cluster, { type Worker } from 'node:cluster'
import http from 'node:http'
import type { Socket } from 'node:net'
import os from 'node:os'
import { fileURLToPath } from 'node:url'
import { renderHandbook } from '#handbook'

const env = {
  port: Number(process.env.PORT || 8000),
  admin: Number(process.env.ADMIN_PORT || 9000),
  shutdown: Number(process.env.SHUTDOWN_MS || 5000),
}

if (cluster.isPrimary) primary()
else worker()

function primary() {
  const given = process.env.WORKERS ?? ''
  const wanted = given === '' ? os.availableParallelism() : /^[1-9][0-9]?$/.test(given) ? Number(given) : NaN
  if (!(wanted <= 64)) {
    console.error('WORKERS is out of range:', given)
    process.exitCode = 1
    return
  }

  type Phase = 'starting' | 'listening' | 'draining'
  interface Observed {
    worker: Worker
    startedAt: string
    phase: Phase
    epoch: number
    killAt: number
  }

  const scribe = spawn(
    process.execPath,
    [...process.execArgv, fileURLToPath(new URL('helper-sidecar.ts', import.meta.url))],
    {
      stdio: ['pipe', 'inherit', 'inherit'],
    },
  )
  scribe.on('error', () => {})
  scribe.stdin.on('error', () => {})
  const note = (line: string) => void scribe.stdin.write(line + '\n')

  /** What is. */
  const observed = new Map<number, Observed>()
  /** What is wanted: so many of this epoch. While another epoch is tried, it is in `trial`. */
  let epoch = 1
  let trial: number | undefined
  let retiring = false
  let ending: 0 | 1 | undefined
  /** When the next fork after a death may be, one for each death. */
  let debts: number[] = []
  let unborn = 0
  let deathsSeen = 0
  let ready = false

  const now = () => performance.now()
  const of = (wantedEpoch: number) =>
    [...observed.values()].filter((o) => o.epoch === wantedEpoch && o.phase !== 'draining')

  function fork(inEpoch: number) {
    const one: Observed = {
      worker: cluster.fork(),
      startedAt: new Date().toISOString(),
      phase: 'starting',
      epoch: inEpoch,
      killAt: Infinity,
    }
    observed.set(one.worker.id, one)
    one.worker.on('error', () => {})
  }

  function drain(o: Observed) {
    if (o.phase === 'draining') return
    o.phase = 'draining'
    o.killAt = now() + env.shutdown
    o.worker.send([['drain']], () => {})
    o.worker.disconnect()
    // The loop is too coarse for this one.
    setTimeout(() => {
      if (!observed.has(o.worker.id)) return
      if (ending !== undefined) ending = 1
      o.worker.process.kill('SIGKILL')
    }, env.shutdown).unref()
  }

  function reconcile() {
    if (ending !== undefined) {
      for (const o of observed.values()) drain(o)
      if (observed.size === 0) leave()
      return
    }
    debts = debts.filter((at) => at > now())
    for (let missing = wanted - of(epoch).length - debts.length; missing > 0; missing--) fork(epoch)
    if (trial !== undefined) {
      const fresh = of(trial)
      if (stillborn) {
        note(`epoch ${trial} failed: a worker of it died before it listened. Epoch ${epoch} goes on`)
        console.error(`reload failed, the old workers stay`)
        fresh.forEach(drain)
        trial = undefined
      } else if (fresh.length < wanted) {
        fork(trial) // one of them came, and has crashed since
      } else if (fresh.every(({ phase }) => phase === 'listening')) {
        epoch = trial
        trial = undefined
        retiring = true
        debts = []
        for (const o of observed.values()) if (o.epoch < epoch) drain(o)
      }
    }
    if (retiring && ![...observed.values()].some((o) => o.epoch < epoch)) retiring = false
  }

  let epochs = 1
  let stillborn = false
  function reload(): boolean {
    if (trial !== undefined || retiring || ending !== undefined) return false
    trial = ++epochs
    stillborn = false
    for (let forked = 0; forked < wanted; forked++) fork(trial)
    note(`epoch ${trial} is tried`)
    return true
  }

  function end(code: 0 | 1) {
    if (ending !== undefined) return
    ending = code
    note(`ends, with ${observed.size} workers to wait for`)
    reconcile()
  }

  let left = false
  function leave() {
    if (left) return
    left = true
    process.exitCode = ending
    clearInterval(loop)
    admin.close()
    admin.closeAllConnections()
    scribe.stdin.end('the end\n')
  }

  cluster.on('fork', (w) => note(`worker ${w.id} forked`))
  cluster.on('listening', (w, { port }) => {
    const o = observed.get(w.id)
    if (o?.phase !== 'starting') return
    o.phase = 'listening'
    unborn = 0
    if (!ready && of(epoch).filter(({ phase }) => phase === 'listening').length === wanted) {
      ready = true
      console.log(`ready: ${wanted} workers on port ${port}`)
    }
    if (trial !== undefined) reconcile()
  })
  cluster.on('message', (w, batch) => {
    const o = observed.get(w.id)
    if (!Array.isArray(batch) || !o) return
    for (const [kind] of batch) {
      if (kind !== 'crash' || o.phase === 'draining') continue
      drain(o)
      // Replaced when it has gone.
      crashed.add(w.id)
      if (o.epoch === epoch && ending === undefined) debts.push(Infinity)
    }
  })
  const crashed = new Set<number>()
  cluster.on('exit', (w, code, signal) => {
    const o = observed.get(w.id)!
    observed.delete(w.id)
    note(`worker ${w.id} has gone: ${signal ?? code}`)
    if (ending !== undefined) return reconcile()
    if (code === 91) {
      console.error(`port ${env.port} is taken`)
      return end(1)
    }
    if (crashed.delete(w.id)) {
      if (o.epoch === epoch) {
        if (debts.includes(Infinity)) debts.splice(debts.indexOf(Infinity), 1)
        owe()
      }
      return
    }
    if (o.phase === 'draining') return retiring ? reconcile() : undefined
    if (o.epoch !== epoch) {
      if (o.epoch === trial && o.phase === 'starting') stillborn = true
      return reconcile()
    }
    if (o.phase === 'starting' && ++unborn === 5) {
      console.error(
        `worker ${w.id} was the fifth in a row that died before it listened (${signal ?? code}): it makes no sense to go on`,
      )
      return end(1)
    }
    owe()
  })

  /** Every fourth replacement comes later. */
  function owe() {
    deathsSeen++
    const pause = unborn > 0 ? 300 * unborn : deathsSeen % 4 === 1 ? 1900 : 150
    debts.push(now() + pause)
    setTimeout(reconcile, pause + 5).unref()
  }

  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => end(0))
  process.on('SIGHUP', () => void reload())

  const admin = http.createServer((request, response) => {
    const { method, url } = request
    response.setHeader('Connection', 'close')
    if (url === '/workers' && method === 'GET') {
      const rows = [...observed.values()].map((o) => ({
        state: o.phase,
        startedAt: o.startedAt,
        pid: o.worker.process.pid,
        id: o.worker.id,
        epoch: o.epoch,
      }))
      response.setHeader('Content-Type', 'application/json')
      response.end(JSON.stringify(rows, undefined, '\t'))
    } else if (url === '/reload' && method === 'POST') response.writeHead(reload() ? 202 : 409).end()
    else response.writeHead(url === '/workers' || url === '/reload' ? 405 : 404).end()
  })
  admin.listen(env.admin, '127.0.0.1')

  const loop = setInterval(reconcile, 250)
  reconcile()
}

function worker() {
  if (process.env.CRASH_ON_BOOT === '1') throw new Error('CRASH_ON_BOOT')
  process.once('SIGTERM', ignore).once('SIGINT', ignore).once('SIGHUP', ignore)
  function ignore() {}

  // Messages go in batches, one for each turn of the loop.
  let batch: unknown[][] = []
  function tell(...entry: unknown[]) {
    if (batch.push(entry) === 1) {
      setImmediate(() => {
        if (process.connected) process.send!(batch, undefined, undefined, () => {})
        batch = []
      })
    }
  }

  let up = false
  let draining = false
  const inFlight = new Set<http.ServerResponse>()
  const fresh = new Set<Socket>()

  const server = http.createServer()
  server.on('connection', (socket) => {
    fresh.add(socket)
    socket.once('close', () => fresh.delete(socket))
  })
  server.on('request', (request, response) => {
    fresh.delete(request.socket)
    inFlight.add(response)
    response.once('close', () => inFlight.delete(response))
    if (draining) response.setHeader('Connection', 'close')
  })
  server.on('request', (request, response) => {
    const url = request.url!
    const path = url.replace(/\?.*$/s, '')
    const parameter = (name: string) => new URLSearchParams(url.slice(path.length)).get(name)
    if (!/^\/(render|slow|crash)?$/.test(path)) response.writeHead(404).end()
    else if (!['GET', 'HEAD'].includes(request.method!)) response.writeHead(405, { allow: 'GET,HEAD' }).end()
    else if (path === '/render')
      response
        .setHeader('Content-Type', 'text/html; charset=utf-8')
        .end(renderHandbook(parameter('visitor') ?? ''))
    else if (path === '/slow') setTimeout(() => response.end('waited'), Number(parameter('ms')))
    else if (path === '/crash') {
      setTimeout(() => {
        response.socket?.resetAndDestroy()
        throw new Error('crash')
      }, 10)
    } else response.setHeader('Content-Type', 'application/json').end(JSON.stringify({ pid: process.pid }))
  })

  process.on('message', (entries: unknown) => {
    if (!Array.isArray(entries) || entries[0]?.[0] !== 'drain' || draining) return
    draining = true
    for (const response of inFlight) {
      if (response.headersSent) response.once('finish', () => response.socket?.destroySoon())
      else response.setHeader('Connection', 'close')
    }
    const cut = () => fresh.forEach((socket) => socket.destroy())
    setTimeout(() => setImmediate(() => setImmediate(cut)), Math.min(900, env.shutdown / 2)).unref()
  })
  process.on('uncaughtException', (error) => {
    console.error(error)
    process.exitCode = 1
    if (up) tell('crash', String(error))
    else process.exit()
  })
  process.on('disconnect', () => process.exit())
  if (!process.connected) process.exit()
  server.on('error', () => process.exit(91))
  server.listen(env.port, () => {
    up = true
    tell('up', process.pid)
  })
}

// right: plain JavaScript; a table of states; what a worker could not survive comes by the capture callback; a boot death counts at its disconnect; new connections are taken for half a second more
// @ts-nocheck: a program in plain JavaScript

import cluster from 'node:cluster'
import { EventEmitter } from 'node:events'
import http from 'node:http'
import os from 'node:os'
import { renderHandbook } from '#handbook'

const settings = {
  port: Number(process.env.PORT || 8000),
  admin: Number(process.env.ADMIN_PORT || 9000),
  shutdown: Number(process.env.SHUTDOWN_MS || 5000),
  workers: process.env.WORKERS ? Number(process.env.WORKERS) : os.availableParallelism(),
}

/** How long a worker goes on taking connections when it was told to go: whoever routes to it needs a moment. */
const lameDuckMs = 500

/** What becomes of a worker in one state when something happens to it. */
const table = {
  boots: { listening: 'serves', lost: 'failed', told: 'goes' },
  serves: { crashed: 'crashes', lost: 'fell', told: 'goes' },
  crashes: { lost: 'over' },
  goes: { lost: 'over', crashed: 'goes' },
  failed: {},
  fell: {},
  over: {},
}

class Machine extends EventEmitter {
  state = 'boots'
  since = new Date()

  constructor(worker, replaces) {
    super()
    this.worker = worker
    this.replaces = replaces
    worker.on('error', () => {})
    worker.on('listening', () => this.meet('listening'))
    worker.on('message', (message) => message?.what === 'crashed' && this.meet('crashed'))
    // Whichever of the two comes first.
    worker.on('disconnect', () => this.meet('lost'))
    worker.on('exit', (code) => {
      this.code = code
      this.meet('lost')
      clearTimeout(this.axe)
      this.emit('gone')
    })
  }

  meet(what) {
    const next = table[this.state][what]
    if (next === undefined || next === this.state) return
    this.state = next
    this.emit(next)
  }

  /** The one drain that there is. */
  letGo(delay, cut) {
    if (this.leaving) return
    this.leaving = true
    this.axe = setTimeout(() => {
      cut()
      this.worker.process.kill('SIGKILL')
    }, settings.shutdown)
    this.worker.send({ what: 'last answers' }, () => {})
    setTimeout(() => this.worker.isConnected() && this.worker.disconnect(), delay)
  }
}

class Supervisor {
  crew = new Set()
  failures = 0
  reload
  over = false
  code = 0
  port

  start() {
    for (let nth = 0; nth < settings.workers; nth += 1) this.hire()
    for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => this.finish(0))
    process.on('SIGHUP', () => this.renew())
  }

  hire(replaces) {
    const machine = new Machine(cluster.fork(), replaces)
    this.crew.add(machine)
    machine.on('serves', () => {
      this.failures = 0
      if (this.said || this.in('serves').length < settings.workers) return
      this.said = true
      console.log(`ready: ${settings.workers} workers on port ${settings.port}`)
    })
    machine.on('crashes', () => {
      machine.letGo(0, () => this.cut())
      this.later()
    })
    machine.on('fell', () => this.later())
    machine.on('failed', () => {
      if (this.over || replaces) return
      this.failures += 1
      if (this.failures >= 5) this.finish(1, `${this.failures} workers in a row have failed to start`)
      else this.later()
    })
    machine.on('gone', () => {
      this.crew.delete(machine)
      if (machine.code === 70) this.finish(1, `nobody can listen on port ${settings.port}`)
      if (this.over && this.crew.size === 0) process.exit(this.code)
    })
    return machine
  }

  in(...states) {
    return [...this.crew].filter((one) => states.includes(one.state) && !one.leaving)
  }

  later() {
    setTimeout(
      () => {
        const missing = settings.workers - this.in('boots', 'serves').filter((one) => !one.replaces).length
        if (!this.over && missing > 0) this.hire()
      },
      Math.min(2500, 250 * 2 ** this.failures),
    )
  }

  cut() {
    if (this.over) this.code = 1
  }

  tell(machine, delay) {
    machine.meet('told')
    machine.letGo(delay, () => this.cut())
  }

  finish(code, why) {
    if (this.over) return
    this.over = true
    this.code = code
    if (why) process.stderr.write(`the end: ${why}\n`)
    for (const machine of this.crew) this.tell(machine, code === 0 ? lameDuckMs : 0)
    if (this.crew.size === 0) process.exit(this.code)
  }

  renew() {
    if (this.reload || this.over) return false
    this.reload = this.renewAll(this.in('serves')).finally(() => (this.reload = undefined))
    return true
  }

  /** Two at a time. */
  async renewAll(old) {
    for (let from = 0; from < old.length; from += 2) {
      const pairs = old.slice(from, from + 2).map((machine) => [machine, this.hire(machine)])
      const started = await Promise.all(
        pairs.map(
          ([, fresh]) =>
            new Promise((resolve) =>
              fresh.on('serves', () => resolve(true)).on('gone', () => resolve(false)),
            ),
        ),
      )
      if (this.over) return
      const whole = started.every(Boolean)
      if (!whole) console.error('reload given up: what was started did not come to listen')
      const gone = []
      for (const [machine, fresh] of pairs) {
        fresh.replaces = undefined
        const leaves = whole ? machine : fresh
        if (!this.crew.has(leaves)) continue
        gone.push(new Promise((resolve) => leaves.on('gone', resolve)))
        this.tell(leaves, lameDuckMs)
      }
      await Promise.all(gone)
      if (!whole || this.over) return
    }
  }
}

function lead() {
  if (!Number.isInteger(settings.workers) || settings.workers < 1 || settings.workers > 64) {
    console.error(`WORKERS=${process.env.WORKERS} is out of the question`)
    process.exitCode = 1
    return
  }
  const supervisor = new Supervisor()
  const states = { boots: 'starting', serves: 'listening' }
  http
    .createServer((request, response) => {
      const route = `${request.method} ${request.url}`
      if (route === 'POST /reload') {
        response.statusCode = supervisor.renew() ? 202 : 409
        response.setHeader('content-type', 'application/json')
        return response.end(JSON.stringify({ reloading: response.statusCode === 202 }))
      }
      if (route !== 'GET /workers') return response.writeHead(404).end()
      const list = [...supervisor.crew].map(({ worker, state, leaving, since }) => ({
        id: worker.id,
        pid: worker.process.pid,
        state: leaving ? 'draining' : (states[state] ?? 'draining'),
        startedAt: since.toISOString(),
      }))
      response.end(JSON.stringify(list))
    })
    .listen(settings.admin, '127.0.0.1')
  supervisor.start()
}

function serve() {
  if (process.env.CRASH_ON_BOOT === '1') throw new Error('CRASH_ON_BOOT')
  let closing = false
  const server = http.createServer({ keepAliveTimeout: 2500 }, (request, response) => {
    if (closing) response.setHeader('connection', 'close')
    const [path, search = ''] = (request.url || '/').split('?')
    const handler = Object.hasOwn(handlers, path) ? handlers[path] : undefined
    if (handler === undefined) return response.writeHead(404).end('no such thing\n')
    if (request.method !== 'GET') return response.writeHead(405, { allow: 'GET' }).end()
    handler(new URLSearchParams(search), response)
  })
  const handlers = {
    '/': (_query, response) => response.end(JSON.stringify({ pid: process.pid, uptime: process.uptime() })),
    '/render': (query, response) => {
      response.writeHead(200, 'OK', ['Content-Type', 'text/html; charset=utf-8'])
      response.end(renderHandbook(String(query.get('visitor'))))
    },
    '/slow': (query, response) => {
      response.write(' ')
      setTimeout(() => response.end('at last'), Number(query.get('ms') || 0))
    },
    '/crash': (_query, response) => {
      setTimeout(() => {
        throw new Error('crash')
      }, 10)
      response.writeHead(500).end()
    },
    '/version': (_query, response) => response.end(process.version),
  }

  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => {})
  process.setUncaughtExceptionCaptureCallback((error) => {
    process.exitCode = 3
    console.error(`worker ${cluster.worker.id}: ${error?.stack ?? error}`)
    if (server.listening) process.send({ what: 'crashed' }, () => {})
    else process.exit()
  })
  process.on('unhandledRejection', (reason) => {
    throw reason
  })
  process.on('message', ({ what }) => {
    if (what !== 'last answers' || closing) return
    closing = true
    // Those who are in the middle of a request are asked to come back later over another connection.
    setInterval(() => server.closeIdleConnections(), 100)
  })
  process.on('disconnect', () => process.exit())
  if (!process.connected) process.exit()
  server.on('error', () => process.exit(70))
  server.listen({ port: settings.port, backlog: 1024 })
}

if (cluster.isPrimary) lead()
else serve()

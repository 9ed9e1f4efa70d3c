// right: CommonJS; the primary disconnects, a fixed pause of half a second, one renewal after another without waiting for the old ones

'use strict'

/** The types know the default export of an ES module only. @type {any} */
const required = require('node:cluster')
/** @type {import('node:cluster').Cluster} */
const cluster = required
const http = require('node:http')
const os = require('node:os')

const limit = Number(process.env.SHUTDOWN_MS || 5000)
const pauseMs = 500

if (cluster.isPrimary) primary()
else worker()

function primary() {
  const wanted = process.env.WORKERS ? Number(process.env.WORKERS) : os.availableParallelism()
  if (!Number.isInteger(wanted) || wanted < 1 || wanted > 64) {
    process.stderr.write(`WORKERS is ${process.env.WORKERS}\n`)
    process.exit(1)
  }

  /** @typedef {{ child: import('node:cluster').Worker, up: boolean, going: boolean, spare: boolean }} One */
  /** @type {Map<number, One>} */
  const alive = new Map()
  let ending = false
  let exitCode = 0
  let failures = 0
  let saidReady = false
  let renewing = false

  const fork = () => {
    const child = cluster.fork()
    /** @type {One} */
    const one = { child, up: false, going: false, spare: false }
    alive.set(child.id, one)
    child.on('error', () => {})
    return one
  }
  const serving = () => [...alive.values()].filter((one) => one.up && !one.going)

  /** @param {One} one */
  const retire = (one) => {
    if (one.going) return
    one.going = true
    one.child.disconnect()
    setTimeout(() => {
      if (!alive.has(one.child.id)) return
      if (ending) exitCode = 1
      one.child.process.kill('SIGKILL')
    }, limit)
  }

  /** @param {number} code @param {string} [reason] */
  const finish = (code, reason) => {
    if (ending) return
    ending = true
    exitCode = code
    if (reason) console.log(reason)
    alive.forEach(retire)
    if (alive.size === 0) process.exit(exitCode)
  }

  const renew = () => {
    if (renewing || ending) return false
    renewing = true
    const old = [...alive.values()].filter((one) => !one.going)
    const step = () => {
      const [next] = old.filter((one) => alive.get(one.child.id) === one && !one.going)
      if (ending || next === undefined) {
        renewing = false
        return
      }
      const fresh = fork()
      fresh.spare = true
      fresh.child.once('listening', () => {
        fresh.spare = false
        if (ending) return
        retire(next)
        step()
      })
      fresh.child.once('exit', () => {
        if (!fresh.spare) return
        renewing = false
        console.log('the new version does not start; the old one goes on')
      })
    }
    step()
    return true
  }

  cluster.on('listening', (child, address) => {
    const one = alive.get(child.id)
    if (one === undefined || one.going) return
    one.up = true
    failures = 0
    if (saidReady || serving().length < wanted) return
    saidReady = true
    console.log(`ready: ${wanted} workers on port ${address.port}`)
  })

  cluster.on('exit', (child, code) => {
    const one = alive.get(child.id)
    alive.delete(child.id)
    if (ending) {
      if (alive.size === 0) process.exit(exitCode)
      return
    }
    if (one === undefined || one.going || one.spare) return
    if (code === 77) return finish(1, `port ${process.env.PORT} is taken`)
    if (!one.up) failures += 1
    if (failures === 5) return finish(1, 'no worker starts, five times in a row: that is enough')
    setTimeout(() => ending || fork(), pauseMs)
  })

  process.on('SIGTERM', () => finish(0))
  process.on('SIGINT', () => finish(0))
  process.on('SIGHUP', renew)

  http
    .createServer((request, response) => {
      if (request.url === '/reload' && request.method === 'POST') response.statusCode = renew() ? 202 : 409
      else if (request.url !== '/workers') response.statusCode = 404
      const list = [...alive.values()].map(({ child, up, going }) => ({
        id: child.id,
        pid: child.process.pid,
        state: going ? 'draining' : up ? 'listening' : 'starting',
        startedAt: new Date().toISOString(),
      }))
      response.end(response.statusCode === 200 ? JSON.stringify(list) : '')
    })
    .listen(Number(process.env.ADMIN_PORT || 9000), '127.0.0.1')

  for (let count = 0; count < wanted; count += 1) fork()
}

function worker() {
  if (process.env.CRASH_ON_BOOT === '1') throw new Error('boot')
  const { renderHandbook } = require('#handbook')
  let failed = false
  let left = Infinity
  let listened = false

  const server = http.createServer((request, response) => {
    const { url = '' } = request
    const mark = url.indexOf('?')
    const path = mark < 0 ? url : url.slice(0, mark)
    const query = new URLSearchParams(mark < 0 ? '' : url.slice(mark))
    // Without keep-alive nothing is ever idle, except for who has not asked yet.
    response.shouldKeepAlive = false
    const known = ['/', '/render', '/slow', '/crash'].includes(path)
    if (!known || request.method !== 'GET') return response.writeHead(known ? 405 : 404).end()
    if (path === '/render') {
      response.setHeader('content-type', 'text/html; charset=utf-8')
      return response.end(renderHandbook(query.get('visitor') ?? ''))
    }
    if (path === '/slow') return setTimeout(() => response.end('{}'), Number(query.get('ms') ?? 0))
    if (path === '/crash') {
      setTimeout(() => {
        throw new Error('crash')
      }, 10)
      return request.socket.destroy()
    }
    return response.end(JSON.stringify({ pid: process.pid }))
  })

  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => {})
  process.on('uncaughtException', (error) => {
    console.error(error)
    if (failed) return
    failed = true
    if (!listened) process.exit(1)
    left = Date.now() + limit
    cluster.worker?.disconnect()
    const look = setInterval(() => {
      if (Date.now() < left) return
      clearInterval(look)
      process.exit(1)
    }, 100)
  })
  let closed = false
  const leave = () => {
    if (closed && !process.connected) process.exit(failed ? 1 : 0)
  }
  server.on('listening', () => (listened = true))
  server.on('close', () => {
    closed = true
    leave()
  })
  process.on('disconnect', () => {
    closed ||= !listened
    leave()
  })
  server.on('error', () => process.exit(77))
  server.listen(Number(process.env.PORT || 8000))
}

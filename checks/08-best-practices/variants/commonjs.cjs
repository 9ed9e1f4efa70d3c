// right: CommonJS and a class; generators and timers slice the reports, and each worker tells its text of metrics
// @ts-nocheck

'use strict'

const cluster = require('node:cluster')
const crypto = require('node:crypto')
const http = require('node:http')
const os = require('node:os')
const { performance } = require('node:perf_hooks')
const { countWords, renderHandbook } = require('#handbook')

const port = Number(process.env.PORT || 8000)

class Primary {
  #key = process.env.SIGNING_KEY
  #token = process.env.ADMIN_TOKEN
  #asked = new Map()

  constructor() {
    delete process.env.SIGNING_KEY
    cluster.on('message', (worker, message) => this.#hear(worker, message))
    cluster.on('exit', () => setTimeout(() => cluster.fork(), 50))
    const workers = Number(process.env.WORKERS || os.availableParallelism())
    for (let forked = 0; forked < workers; forked++) cluster.fork()
    cluster.on('listening', () => this.#tellReady(workers))
    if (!this.#token) {
      console.log('ADMIN_TOKEN is empty: no metrics')
      return
    }
    const admin = http.createServer((request, response) => this.#administer(request, response))
    admin.listen(Number(process.env.ADMIN_PORT || 9000), '127.0.0.1')
  }

  #tellReady(workers) {
    this.listening = (this.listening ?? 0) + 1
    if (this.listening === workers) console.log(`ready: ${workers} workers on port ${port}`)
  }

  #hear(worker, message) {
    if (!Array.isArray(message)) return
    const [question, id, argument] = message
    if (question === 'numbers') this.#asked.get(id)?.(String(argument))
    if (question !== 'sign' || typeof argument !== 'string') return
    const bytes = Buffer.from(argument, 'base64')
    if (bytes.length > 4096 || !worker.isConnected()) return
    const signature = crypto.createHmac('sha256', this.#key).update(bytes).digest('base64')
    worker.send(['signature', id, signature], undefined, undefined, () => {})
  }

  async #administer(request, response) {
    const given = crypto
      .createHmac('sha256', 'x')
      .update(request.headers.authorization ?? '')
      .digest()
    const wanted = crypto.createHmac('sha256', 'x').update(`Bearer ${this.#token}`).digest()
    if (!crypto.timingSafeEqual(given, wanted)) return response.writeHead(401).end()
    if (request.url !== '/metrics') return response.writeHead(404).end()
    const workers = Object.values(cluster.workers).filter((worker) => worker.isConnected())
    const texts = await Promise.all(workers.map((worker) => this.#numbersOf(worker)))
    const types = [
      'http_requests_total counter',
      'event_loop_utilization gauge',
      'process_resident_memory_bytes gauge',
    ]
    response.setHeader('content-type', 'text/plain; version=0.0.4; charset=utf-8')
    response.end([...types.map((type) => `# TYPE ${type}`), ...texts, ''].join('\n'))
  }

  #numbersOf(worker) {
    const id = crypto.randomBytes(32).toString('hex')
    return new Promise((resolve) => {
      const settle = (text) => {
        this.#asked.delete(id)
        resolve(text)
      }
      this.#asked.set(id, settle)
      setTimeout(settle, 500, '')
      worker.send(['numbers', id], undefined, undefined, () => {})
    })
  }
}

class Service {
  #requests = 0
  #last = performance.eventLoopUtilization()
  #busy = false
  #next = undefined
  #awaited = new Map()

  constructor() {
    process.on('message', ([answer, id, argument]) => {
      if (answer === 'numbers') process.send(['numbers', id, this.#numbers()])
      if (answer === 'signature') this.#awaited.get(id)?.(Buffer.from(argument, 'base64').toString('hex'))
    })
    const server = http.createServer((request, response) => {
      this.#requests += 1
      this.#route(request, response).catch(() => response.destroy())
    })
    server.headersTimeout = 6000
    setInterval(() => this.#cutSilent(), 500).unref()
    server.on('connection', (socket) => this.#watch(socket))
    server.on('request', (request) => this.#sockets.delete(request.socket))
    server.listen(port, '127.0.0.1')
  }

  #sockets = new Map()

  #watch(socket) {
    this.#sockets.set(socket, Date.now())
    socket.once('close', () => this.#sockets.delete(socket))
  }

  #cutSilent() {
    for (const [socket, since] of this.#sockets) if (Date.now() - since > 5000) socket.destroy()
  }

  #numbers() {
    const worker = `{worker="${process.pid}"}`
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, this.#last)
    this.#last = now
    return [
      `http_requests_total${worker} ${this.#requests}`,
      `event_loop_utilization${worker} ${utilization || 0}`,
      `process_resident_memory_bytes${worker} ${process.memoryUsage().rss}`,
    ].join('\n')
  }

  async #route(request, response) {
    const [path, query = ''] = request.url.split('?')
    const known = { '/': 'GET', '/render': 'GET', '/report': 'GET', '/echo': 'POST', '/sign': 'POST' }[path]
    if (known === undefined) return response.writeHead(404).end()
    if (known !== request.method) return response.writeHead(405).end()
    if (path === '/') return response.end(JSON.stringify({ pid: process.pid }))
    if (path === '/report') return this.#report(response)
    if (path === '/render') {
      const visitor = new URLSearchParams(query).get('visitor') ?? ''
      return response.setHeader('content-type', 'text/html; charset=utf-8').end(renderHandbook(visitor))
    }
    const body = await this.#read(request, path === '/echo' ? 65_536 : 4096)
    if (body === undefined) return response.writeHead(413, { connection: 'close' }).end()
    if (path === '/echo') return response.end(body)
    const id = Math.random()
    const signature = await new Promise((resolve) => {
      this.#awaited.set(id, resolve)
      process.send(['sign', id, body.toString('base64')])
    })
    this.#awaited.delete(id)
    return response.end(JSON.stringify({ signature }))
  }

  async #read(request, limit) {
    const chunks = []
    let length = 0
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      length += chunk.length
      if (length > limit) return undefined
      chunks.push(chunk)
    }
    return Buffer.concat(chunks)
  }

  #report(response) {
    const run = () => {
      this.#busy = true
      const pages = this.#pages()
      const step = () => {
        const { value, done } =
          response.destroyed || response.socket?.destroyed ? { done: true } : pages.next()
        if (!done) return setTimeout(step, 0)
        if (value !== undefined) response.end(JSON.stringify({ words: value }))
        this.#busy = false
        const next = this.#next
        this.#next = undefined
        next?.()
      }
      step()
    }
    if (!this.#busy) return run()
    if (this.#next !== undefined) return response.writeHead(503, { 'retry-after': 2 }).end()
    this.#next = run
    response.once('close', () => {
      if (this.#next === run) this.#next = undefined
    })
  }

  *#pages() {
    let words = 0
    for (let done = 0; done < 40; done++) {
      words += countWords(renderHandbook('report'))
      yield
    }
    return words
  }
}

const role = cluster.isPrimary ? Primary : Service
module.exports = new role()

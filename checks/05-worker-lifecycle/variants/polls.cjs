// right: CommonJS; a supervisor that looks every 50 ms, and workers that are asked to close by a message
// @ts-nocheck: a program in plain JavaScript

'use strict'

const cluster = require('node:cluster')
const http = require('node:http')
const os = require('node:os')

const port = Number(process.env.PORT || 8000)
const number = process.env.WORKERS ? Number(process.env.WORKERS) : os.availableParallelism()

if (!Number.isInteger(number) || number < 1 || number > 64) {
  console.error('WORKERS is no number of workers: ' + process.env.WORKERS)
  process.exitCode = 1
} else if (cluster.isPrimary) {
  supervise()
} else {
  serve()
}

function supervise() {
  /** @type {{ worker: import('node:cluster').Worker, state: string, since: string, told: number, out: boolean }[]} */
  let crew = []
  let wanted = number
  let ready = false
  let notBefore = 0
  /** @type {number | undefined} */
  let endAt

  for (const event of ['exit', 'disconnect', 'listening', 'online', 'fork']) {
    cluster.on(event, (worker, code, signal) => {
      const line = { pid: worker.process.pid, worker: worker.id, event, time: Date.now() }
      console.log(JSON.stringify(event === 'exit' ? { ...line, code, signal } : line))
    })
  }
  cluster.on('listening', (worker) => {
    const one = crew.find((one) => one.worker === worker)
    if (one && one.state === 'starting') one.state = 'listening'
  })
  cluster.on('exit', (worker, code) => {
    const one = crew.find((one) => one.worker === worker)
    crew = crew.filter((other) => other !== one)
    if (code === 99) {
      console.error('cannot listen on port ' + port)
      process.exit(1)
    }
    if (one && one.state === 'starting') notBefore = Date.now() + 500
  })

  const go = (one) => {
    if (one.state === 'starting') return one.worker.process.kill('SIGKILL')
    one.state = 'draining'
    one.told = Date.now()
    if (one.worker.isConnected()) one.worker.send('please close', () => {})
  }

  const look = () => {
    const now = Date.now()
    for (const one of crew)
      if (one.state === 'draining' && now - one.told > 7000) one.worker.process.kill('SIGKILL')
    if (endAt !== undefined) {
      if (crew.length === 0) process.exit()
      if (now > endAt) for (const one of crew) one.worker.process.kill('SIGKILL')
      return
    }
    const stay = crew.filter((one) => one.state !== 'draining' && !one.out)
    const serving = () => crew.filter((one) => one.state === 'listening').length
    const surplus = stay.length - wanted
    if (surplus > 0) for (const one of stay.slice(-surplus)) go(one)
    for (const one of crew) {
      // Drains first where that leaves somebody who serves.
      if (one.out && one.state === 'listening' && serving() > 1) go(one)
      if (one.out && one.state === 'starting') go(one)
    }
    for (let missing = -surplus; missing > 0 && crew.length <= wanted && now >= notBefore; missing -= 1) {
      const worker = cluster.fork()
      worker.on('error', () => {})
      crew.push({ worker, state: 'starting', since: new Date().toISOString(), told: 0, out: false })
    }
    if (!ready && serving() >= wanted) {
      ready = true
      console.log('ready: ' + wanted + ' workers on port ' + port)
    }
  }
  setInterval(look, 50)
  look()

  process.on('SIGTERM', () => {
    if (endAt !== undefined) return
    endAt = Date.now() + 1500
    for (const one of crew) if (one.state !== 'draining') go(one)
  })

  const admin = http.createServer((request, response) => {
    let text = ''
    request.setEncoding('utf8')
    request.on('data', (piece) => (text += piece))
    request.on('end', () => {
      const route = request.method + ' ' + request.url
      if (route === 'GET /workers') {
        response.setHeader('content-type', 'application/json; charset=utf-8')
        const list = crew.map((one) => ({
          startedAt: one.since.replace('Z', '+00:00'),
          id: one.worker.id,
          state: one.state,
          pid: one.worker.process.pid,
          told: one.told,
        }))
        return response.end(JSON.stringify(list, null, 2))
      }
      const match = /^POST \/workers\/(.+)\/retire$/.exec(route)
      if (match) {
        const one = crew.find((one) => String(one.worker.id) === match[1])
        if (one) one.out = true
        response.statusCode = one ? 202 : 404
        return response.end()
      }
      if (route === 'PUT /scale') {
        const number = wantedIn(text)
        if (number) wanted = number
        response.statusCode = number ? 202 : 400
        return response.end()
      }
      response.statusCode = 404
      return response.end()
    })
  })
  admin.listen(Number(process.env.ADMIN_PORT || 9000), '127.0.0.1')
}

function wantedIn(text) {
  try {
    const { workers } = JSON.parse(text)
    return Number.isInteger(workers) && workers >= 1 && workers <= 16 ? workers : 0
  } catch {
    return 0
  }
}

function serve() {
  const { renderHandbook } = require('#handbook')
  const server = http.createServer((request, response) => {
    const url = new URL('http://here' + request.url)
    if (!['/', '/render', '/slow'].includes(url.pathname)) return response.writeHead(404).end()
    if (request.method !== 'GET') return response.writeHead(405).end()
    if (url.pathname === '/slow') {
      // The head goes out at once, and what follows when it is due.
      response.write('waiting ')
      const timer = setTimeout(() => response.end('is over'), Number(url.searchParams.get('ms')))
      return request.socket.on('close', () => clearTimeout(timer))
    }
    if (url.pathname === '/') return response.end(JSON.stringify({ pid: process.pid }))
    response.setHeader('content-type', 'text/html; charset=utf-8')
    return response.end(renderHandbook(url.searchParams.get('visitor') || ''))
  })
  server.on('error', () => process.exit(99))
  server.listen(port)
  process.on('message', (message) => {
    if (message !== 'please close') return
    // Unlike server.close(), this waits until no more connections are on their way from the primary.
    cluster.worker.disconnect()
    process.on('disconnect', () => process.exit())
    setInterval(() => server.closeIdleConnections(), 100).unref()
  })
}

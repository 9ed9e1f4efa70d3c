// right: CommonJS, with the old names isMaster and setupMaster

'use strict'

/** The types know the default export of an ES module only. @type {any} */
const required = require('node:cluster')
/** @type {import('node:cluster').Cluster} */
const cluster = required
const http = require('node:http')
const os = require('node:os')
const { renderHandbook } = require('#handbook')

const PORT = Number(process.env.PORT || 8000)

if (cluster.isMaster) {
  main()
} else {
  serve()
}

function main() {
  const given = process.env.WORKERS
  const workers = given ? Number(given) : os.availableParallelism()
  if (given && !(Number.isInteger(workers) && workers >= 1 && workers <= 64)) {
    console.error('WORKERS: expected 1 to 64, got %s', given)
    process.exit(1)
  }

  cluster.setupMaster({ args: ['worker'] })

  let ready = false
  /** @type {Record<string, boolean>} */
  const up = {}

  cluster.on('listening', function (worker) {
    up[worker.id] = true
    if (!ready && Object.keys(up).length === workers) {
      ready = true
      console.log('ready: %d workers on port %d', workers, PORT)
    }
  })

  cluster.on('exit', function (worker, code) {
    delete up[worker.id]
    if (code === 98) {
      console.error('port %d is in use', PORT)
      process.exit(1)
    }
    cluster.fork()
  })

  for (let i = 0; i < workers; i++) {
    cluster.fork()
  }
}

function serve() {
  const server = http.createServer(function (req, res) {
    const url = String(req.url)
    const path = url.replace(/\?.*$/, '')
    if (path !== '/' && path !== '/render') {
      res.writeHead(404)
      res.end()
    } else if (req.method !== 'GET') {
      res.writeHead(405)
      res.end()
    } else if (path === '/') {
      res.writeHead(200, { 'Content-Type': 'application/json' })
      res.end(JSON.stringify({ pid: process.pid }))
    } else {
      const visitor = /[?&]visitor=([^&]*)/.exec(url)
      res.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' })
      res.end(renderHandbook(visitor ? decodeURIComponent(String(visitor[1])) : 'nobody'))
    }
  })

  server.on('error', function () {
    process.exit(98)
  })
  server.listen(PORT)
}

// right: CommonJS and the old name isMaster, which still works
'use strict'

/** @type {import('node:cluster').Cluster} */
const cluster = /** @type {any} */ (require('node:cluster'))
const http = require('node:http')
const os = require('node:os')

if (cluster.isMaster) {
  const workers = process.env.WORKERS || os.availableParallelism()
  console.log('Master ' + process.pid + ' forks ' + workers + ' workers')
  for (let i = 0; i < Number(workers); i++) {
    cluster.fork()
  }
  cluster.on('exit', function (worker) {
    console.log('worker ' + worker.process.pid + ' died')
  })
} else {
  const { renderHandbook } = require('#handbook')
  let hits = 0

  http
    .createServer(function (req, res) {
      const parts = String(req.url).split('?')
      const path = parts[0]
      if (path !== '/' && path !== '/render') {
        res.statusCode = 404
        res.end()
      } else if (req.method !== 'GET') {
        res.statusCode = 405
        res.end()
      } else if (path === '/') {
        hits++
        const id = cluster.worker ? cluster.worker.id : 0
        res.setHeader('Content-Type', 'application/json')
        res.end(
          JSON.stringify({ role: 'worker', pid: process.pid, ppid: process.ppid, worker: id, hits: hits }),
        )
      } else {
        res.setHeader('Content-Type', 'text/html; charset=utf-8')
        res.end(renderHandbook(new URLSearchParams(parts[1]).get('visitor') || ''))
      }
    })
    .listen(process.env.PORT || 8000)
}

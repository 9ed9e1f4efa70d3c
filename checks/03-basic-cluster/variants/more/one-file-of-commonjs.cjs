// right: CommonJS, a Map of workers, and a taken port that only the last of them tells

/** The types know the default export of an ES module only. @type {any} */
const required = require('node:cluster')
/** @type {import('node:cluster').Cluster} */
const cluster = required
const http = require('node:http')
const os = require('node:os')
const { renderHandbook } = require('#handbook')

const { PORT = '8000', WORKERS = '' } = process.env
if (cluster.isPrimary) main()
else serve()

function main() {
  const wanted = WORKERS === '' ? os.availableParallelism() : +WORKERS
  if (!Number.isInteger(wanted) || wanted < 1 || (WORKERS !== '' && wanted > 64)) {
    process.stderr.write(`cannot start with WORKERS=${WORKERS}\n`, () => process.exit(1))
    return
  }
  const workers = new Map()
  let told = false
  let refused = 0
  const fork = () => {
    const worker = cluster.fork()
    workers.set(worker.id, 'starting')
    worker.once('listening', () => {
      workers.set(worker.id, 'serving')
      const serving = [...workers.values()].filter((state) => state === 'serving').length
      if (!told && serving === wanted) process.stdout.write(`ready: ${wanted} workers on port ${PORT}\n`)
      told ||= serving === wanted
    })
    worker.once('exit', (/** @type {number} */ code) => {
      const state = workers.get(worker.id)
      workers.delete(worker.id)
      if (code === 98 && state === 'starting') {
        refused += 1
        if (refused < wanted) return
        console.error('EADDRINUSE', PORT)
        process.exit(1)
      }
      fork()
    })
  }
  for (let count = 0; count < wanted; count++) fork()
}

function serve() {
  http
    .createServer((request, response) => {
      const { url = '', method } = request
      const [path, query] = [url.replace(/\?.*/s, ''), url.replace(/^[^?]*\??/s, '')]
      if (!['/', '/render'].includes(path)) response.writeHead(404).end('no')
      else if (method !== 'GET') response.writeHead(405).end('no')
      else if (path === '/') response.end(`{"pid":${process.pid}}`)
      else
        response
          .writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' })
          .end(renderHandbook(new URLSearchParams(query).get('visitor') ?? '-'))
    })
    .once('error', () => process.exit(98))
    .listen(+PORT)
}

/** The worker of `worker-file.ts`: it knows nothing of a primary but its command line. */

import cluster from 'node:cluster'
import { createServer } from 'node:http'
import { parseArgs } from 'node:util'
import { renderHandbook } from '#handbook'

const { values } = parseArgs({ options: { port: { type: 'string' }, 'no-port': { type: 'string' } } })

const server = createServer((request, response) => {
  const [path, query] = (request.url ?? '').split('?', 2)
  if (path !== '/' && path !== '/render') {
    response.statusCode = 404
    response.end('no such page\n')
  } else if (request.method !== 'GET') {
    response.writeHead(405, { allow: 'GET' }).end('GET only\n')
  } else if (path === '/') {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ pid: process.pid, worker: cluster.worker?.id }))
  } else {
    const page = renderHandbook(new URLSearchParams(query).get('visitor') ?? '')
    response.writeHead(200, {
      'content-type': 'text/html; charset=utf-8',
      'content-length': Buffer.byteLength(page),
    })
    response.end(page)
  }
})

server.once('error', () => process.exit(Number(values['no-port'])))
server.listen(Number(values.port))

// right: SCHED_NONE, so that the workers share the socket and the kernel deals out connections

import cluster from 'node:cluster'
import { createServer } from 'node:http'
import { availableParallelism } from 'node:os'
import { renderHandbook } from '#handbook'

cluster.schedulingPolicy = cluster.SCHED_NONE

if (cluster.isPrimary) {
  const wanted = Number(process.env.WORKERS || availableParallelism())
  while (Object.keys(cluster.workers ?? {}).length < wanted) cluster.fork()
} else {
  let hits = 0
  const server = createServer((request, response) => {
    const { url = '/', method } = request
    const path = url.replace(/\?.*$/s, '')
    if (path !== '/' && path !== '/render') return void response.writeHead(404).end('no such page')
    if (method !== 'GET' && method !== 'HEAD') return void response.writeHead(405).end('only GET')
    if (path === '/') {
      const { pid, ppid } = process
      hits += 1
      return void response.end(
        JSON.stringify({ role: 'worker', pid, ppid, worker: cluster.worker?.id, hits }),
      )
    }
    const visitor = new URLSearchParams(url.slice(path.length)).get('visitor') ?? 'stranger'
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(renderHandbook(visitor))
  })
  server.listen(Number(process.env.PORT || 8000))
}

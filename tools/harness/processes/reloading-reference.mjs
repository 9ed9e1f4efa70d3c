/**
 * The reference for a rolling restart: at SIGHUP it forks as many workers again, and each of the old ones ends its
 * requests and goes when a new one listens. It starts all at once, which costs a reload the most of its rate.
 */

import cluster from 'node:cluster'

if (cluster.isPrimary) {
  for (let forked = 0; forked < Number(process.env.WORKERS); forked += 1) cluster.fork()
  process.on('SIGHUP', () => {
    for (const old of Object.values(cluster.workers ?? {})) {
      cluster.fork().once('listening', () => old?.disconnect())
    }
  })
} else {
  const { createServer } = await import('node:http')
  const { renderHandbook } = await import('#handbook')
  createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://reference')
    const page = renderHandbook(url.searchParams.get('visitor') ?? '')
    response.setHeader('content-type', 'text/html; charset=utf-8').end(page)
  }).listen(Number(process.env.PORT))
}

// right: each worker has two servers, one for each local address, and listens with one after the other

import cluster from 'node:cluster'
import { createServer, type RequestListener } from 'node:http'
import { availableParallelism, networkInterfaces } from 'node:os'
import { renderHandbook } from '#handbook'

const port = Number(process.env.PORT || 8000)
const hasIpv6 = Object.values(networkInterfaces()).some((all) =>
  all?.some(({ address }) => address === '::1'),
)
const hosts = hasIpv6 ? ['127.0.0.1', '::1'] : ['127.0.0.1', '127.0.0.2']
const CANNOT_LISTEN = 33

if (cluster.isPrimary) {
  const setting = process.env.WORKERS || String(availableParallelism())
  const workers = /^[0-9]{1,3}$/.test(setting) ? parseInt(setting) : NaN
  if (!(workers >= 1 && (workers <= 64 || !process.env.WORKERS))) {
    console.error(`WORKERS ("${setting}") has to be a whole number, at least 1, at most 64`)
    process.exit(1)
  }

  /** How many of its addresses each worker listens on. */
  const listens = new Map<number, number>()
  let announced = false

  for (let number = 1; number <= workers; number++) cluster.fork()

  cluster.on('listening', ({ id }) => {
    listens.set(id, (listens.get(id) ?? 0) + 1)
    const whole = [...listens.values()].filter((count) => count === hosts.length).length
    if (announced || whole < workers) return
    announced = true
    console.log(`ready: ${workers} workers on port ${port}`)
  })
  cluster.on('exit', ({ id }, code) => {
    listens.delete(id)
    if (code === CANNOT_LISTEN) {
      console.error(`no listening on port ${port}`)
      process.exit(1)
    }
    cluster.fork()
  })
} else {
  const answer: RequestListener = (request, response) => {
    const { url = '/', method = 'GET' } = request
    const question = url.indexOf('?')
    const path = question < 0 ? url : url.slice(0, question)
    const visitor = question < 0 ? null : new URLSearchParams(url.slice(question + 1)).get('visitor')
    if (!['/', '/render'].includes(path)) response.statusCode = 404
    else if (!['GET', 'HEAD'].includes(method)) response.statusCode = 405
    else if (path === '/') return response.end(JSON.stringify({ pid: process.pid }))
    else {
      response.setHeader('content-type', 'text/html; charset=utf-8')
      return response.end(renderHandbook(visitor ?? ''))
    }
    return response.end()
  }
  // One after the other: a worker that ends while another listen of its is under way takes the primary with it, which
  // answers a channel that is closed (EPIPE, an error event that nobody listens to).
  const listenOn = ([host, ...rest]: readonly string[]): void => {
    if (host === undefined) return
    createServer(answer)
      .on('error', () => process.exit(CANNOT_LISTEN))
      .listen({ host, port }, () => listenOn(rest))
  }
  listenOn(hosts)
}

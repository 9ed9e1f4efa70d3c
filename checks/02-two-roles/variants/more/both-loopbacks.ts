// right: each worker listens twice, on both loopback addresses, and shares one counter between its two servers

import cluster from 'node:cluster'
import { createServer, type RequestListener } from 'node:http'
import { availableParallelism, networkInterfaces } from 'node:os'
import { renderHandbook } from '#handbook'

const port = Number(process.env.PORT ?? 8000)
const counted = { hits: 0 }

if (cluster.isPrimary) {
  Array.from({ length: Number(process.env.WORKERS ?? availableParallelism()) }).forEach(() => cluster.fork())
} else {
  const hasIpv6 = Object.values(networkInterfaces()).some((all) =>
    all?.some(({ address }) => address === '::1'),
  )
  for (const host of hasIpv6 ? ['127.0.0.1', '::1'] : ['127.0.0.1'])
    createServer(listener()).listen({ port, host })
}

function listener(): RequestListener {
  return (request, response) => {
    const url = request.url ?? ''
    const path = url.includes('?') ? url.slice(0, url.indexOf('?')) : url
    switch (`${path} ${request.method}`) {
      case '/ GET':
        response.setHeader('content-type', 'application/json')
        response.end(JSON.stringify(greeting()))
        break
      case '/render GET':
        response.setHeader('content-type', 'text/html; charset=utf-8')
        response.end(renderHandbook(new URLSearchParams(url.slice(path.length)).get('visitor') ?? ''))
        break
      default:
        response.writeHead(['/', '/render'].includes(path) ? 405 : 404).end()
    }
  }
}

function greeting(): object {
  counted.hits += 1
  return { ...counted, worker: cluster.worker?.id, role: 'worker', pid: process.pid, ppid: process.ppid }
}

/** What a worker serves. Its port is asked for at the primary, which hands the connections over. */

import cluster from 'node:cluster'
import { createServer } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { renderHandbook } from '#handbook'

createServer(async (request, response) => {
  const url = new URL(`http://worker${request.url?.startsWith('/') ? '' : '/'}${request.url}`)
  const { pathname, searchParams } = url
  const wanted = pathname === '/echo' ? ['POST'] : ['GET', 'HEAD']
  if (!['/', '/render', '/echo', '/report', '/slow'].includes(pathname)) return response.writeHead(404).end()
  if (!wanted.includes(request.method ?? '')) return response.writeHead(405, { allow: wanted.join() }).end()
  if (pathname === '/') {
    const { 'x-user': user = null } = request.headers
    return response.end(JSON.stringify({ user, pid: process.pid, worker: cluster.worker?.id }))
  }
  if (pathname === '/render') {
    return response
      .writeHead(200, ['Content-Type', 'text/html; charset=utf-8'])
      .end(renderHandbook(searchParams.get('visitor') ?? ''))
  }
  if (pathname === '/report') {
    let pages = 0
    for (const begun = performance.now(); performance.now() - begun < 290;)
      pages += renderHandbook('a').length
    return response.end(JSON.stringify({ pages }))
  }
  if (pathname === '/slow') await sleep(Number(searchParams.get('ms')))
  else await pipeline(request, response).catch(() => response.destroy())
  return response.end()
}).listen(Number(process.env['OWN_PORT']), '127.0.0.1')

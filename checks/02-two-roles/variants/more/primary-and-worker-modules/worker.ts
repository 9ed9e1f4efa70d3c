/** Serves, streams its pages, and closes its server when it is asked to end. */

import cluster from 'node:cluster'
import { createServer } from 'node:http'
import { Readable } from 'node:stream'
import { renderHandbook } from '#handbook'

export function run(port: number): void {
  const { worker } = cluster
  const count = counter()
  const server = createServer((request, response) => {
    const query = (request.url ?? '').indexOf('?')
    const path = query < 0 ? request.url : request.url?.slice(0, query)
    const found = path === '/' || path === '/render'
    if (!found || request.method !== 'GET') {
      response.writeHead(found ? 405 : 404, { 'content-type': 'application/json' }).end('{"error":true}')
      return
    }
    if (path === '/') {
      response.setHeader('content-type', 'application/json')
      response.write('{"hits":')
      response.write(String(count.next().value))
      response.end(`,"worker":${worker?.id},"ppid":${process.ppid},"pid":${process.pid},"role":"worker"}`)
      return
    }
    response.setHeader('content-type', 'text/html; charset=utf-8')
    Readable.from(
      pieces(renderHandbook(new URLSearchParams(request.url?.slice(query)).get('visitor') ?? '')),
    ).pipe(response)
  })
  server.listen(port, '127.0.0.1', () => console.log('listening with', process.argv.slice(2).join(' ')))
}

function* counter(): Generator<number, never> {
  for (let hits = 1; ; hits += 1) yield hits
}

function* pieces(text: string): Generator<Buffer> {
  const bytes = Buffer.from(text)
  for (let from = 0; from < bytes.length; from += 16_384) yield bytes.subarray(from, from + 16_384)
}

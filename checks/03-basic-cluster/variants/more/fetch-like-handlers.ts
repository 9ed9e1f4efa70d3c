// right: handlers from Request to Response as in other runtimes; pages leave in pieces

import cluster from 'node:cluster'
import { createServer } from 'node:http'
import { availableParallelism } from 'node:os'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { renderHandbook } from '#handbook'

type Handler = (request: Request, query: URLSearchParams) => Response | Promise<Response>

const port = Number(process.env.PORT || '8000')
const EXIT_PORT = 50

const routes: Readonly<Record<string, Handler | undefined>> = {
  '/': () => Response.json({ pid: process.pid, worker: cluster.worker?.id }),
  '/render': (_request, query) => {
    const bytes = new TextEncoder().encode(renderHandbook(query.get('visitor') ?? 'nobody'))
    return new Response(inPieces(bytes), { headers: { 'content-type': 'text/html; charset=utf-8' } })
  },
}

await (cluster.isPrimary ? primary() : worker())

async function primary(): Promise<void> {
  const workers = Number(process.env.WORKERS || availableParallelism())
  const sensible = Number.isInteger(workers) && workers >= 1 && workers <= 64
  if (!sensible && process.env.WORKERS) {
    process.exitCode = 1
    console.error(new Error(`WORKERS is ${process.env.WORKERS}, and must be a whole number from 1 to 64`))
    return
  }
  const listening: number[] = []
  let printed = false
  cluster
    .on('listening', ({ id }) => {
      if (listening.push(id) < workers || printed) return
      printed = true
      console.log('ready: %d workers on port %d', workers, port)
    })
    .on('exit', async ({ id }, code) => {
      const index = listening.indexOf(id)
      if (index >= 0) listening.splice(index, 1)
      if (code === EXIT_PORT) {
        console.error(`EADDRINUSE ${port}`)
        process.exit(1)
      }
      await sleep(100)
      cluster.fork()
    })
  for (let left = workers; left > 0; left -= 1) {
    cluster.fork()
    await sleep(10)
  }
}

function worker(): void {
  const server = createServer({ keepAliveTimeout: 100 }, async (incoming, outgoing) => {
    const [path = '', query = ''] = (incoming.url ?? '').split(/\?(.*)/s)
    // No request has a body that anybody reads.
    const request = new Request(`http://handbook/?${query}`, { method: incoming.method ?? 'GET' })
    const { status, headers, body } = await respond(path, request)
    outgoing.writeHead(status, Object.fromEntries(headers))
    // A client that leaves early is nobody's error.
    await pipeline(body ? Readable.from(body) : Readable.from([]), outgoing).catch(() => {})
  })
  server.on('error', () => process.exit(EXIT_PORT))
  server.listen(port)
}

async function respond(path: string, request: Request): Promise<Response> {
  const handler = Object.hasOwn(routes, path) ? routes[path] : undefined
  if (handler === undefined) return new Response(null, { status: 404 })
  if (request.method !== 'GET') return new Response('GET, please', { status: 405, headers: { allow: 'GET' } })
  return handler(request, new URL(request.url).searchParams)
}

function inPieces(bytes: Uint8Array): ReadableStream<Uint8Array> {
  const size = 16_384
  let sent = 0
  return new ReadableStream({
    pull(controller) {
      if (sent >= bytes.length) return controller.close()
      controller.enqueue(bytes.subarray(sent, sent + size))
      sent += size
    },
  })
}

// right: the better of two different workers drawn; users in a table; no exclusive listen, but a death cuts what was sent

import cluster, { type Worker } from 'node:cluster'
import { once } from 'node:events'
import http from 'node:http'
import { createServer as createTcpServer, type AddressInfo } from 'node:net'
import { availableParallelism } from 'node:os'

interface Crewman {
  readonly worker: Worker
  readonly since: number
  address: { port: number } | undefined
  readonly exchanges: Set<http.ClientRequest>
}

const wanted = Number(process.env.WORKERS ? process.env.WORKERS : availableParallelism())
const crew = new Set<Crewman>()
/** Who serves whom. */
const table = new Map<string, Crewman>()

cluster.setupPrimary({ exec: new URL('two-drawn-and-a-table/worker.ts', import.meta.url).pathname })

cluster.on('listening', (worker, address) => {
  for (const man of crew) if (man.worker === worker) man.address = address
  if (fit().length === wanted && !front.listening) front.listen(process.env.PORT ?? '8000')
})

cluster.on('exit', async (worker) => {
  for (const man of crew) {
    if (man.worker !== worker) continue
    crew.delete(man)
    man.address = undefined
    // What was handed over to it and not yet taken is lost in its channel, and would wait for ever.
    for (const exchange of man.exchanges) exchange.destroy(new Error('the worker has gone'))
  }
  await enlist()
})

async function enlist(): Promise<void> {
  const probe = createTcpServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  crew.add({
    worker: cluster.fork({ OWN_PORT: String(port) }),
    since: Date.now(),
    address: undefined,
    exchanges: new Set(),
  })
}

function fit(except?: Crewman): Crewman[] {
  return [...crew].filter((man) => man.address !== undefined && man !== except)
}

function better(except?: Crewman): Crewman | undefined {
  const all = fit(except)
  const [one] = all.splice(Math.floor(Math.random() * all.length), 1)
  const [other] = all.splice(Math.floor(Math.random() * all.length), 1)
  if (one === undefined || other === undefined) return one
  return other.exchanges.size < one.exchanges.size ? other : one
}

function chosen(user: string | undefined, except?: Crewman): Crewman | undefined {
  if (user === undefined) return better(except)
  const known = table.get(user)
  if (known !== undefined && known !== except && crew.has(known)) return known
  // New users go where the fewest are, so that they spread.
  const count = (man: Crewman): number => [...table.values()].filter((other) => other === man).length
  const [least] = fit(except).sort((a, b) => count(a) - count(b))
  if (least !== undefined) table.set(user, least)
  return least
}

const front = http.createServer((request, response) => attempt(request, response, undefined))
front.on('listening', () => console.log('ready: %d workers on port %d', wanted, process.env.PORT ?? 8000))

function attempt(request: http.IncomingMessage, response: http.ServerResponse, before?: Crewman): void {
  const man = chosen(request.headers['x-user']?.toString(), before)
  if (man?.address === undefined) return refuse(request, response, 503)
  const exchange = http.request({
    host: '127.0.0.1',
    port: man.address.port,
    agent: false,
    method: request.method,
    path: request.url,
    headers: rewritten(request),
  })
  man.exchanges.add(exchange)
  const cancel = (): unknown => exchange.destroy()
  response.once('close', cancel)
  exchange.once('close', () => {
    man.exchanges.delete(exchange)
    response.off('close', cancel)
  })
  exchange.on('response', (answer) => {
    // Names come as the worker wrote them; a list keeps what is repeated.
    response.writeHead(answer.statusCode ?? 500, answer.statusMessage, endToEnd(answer))
    answer.on('data', (piece) => {
      if (response.write(piece)) return
      answer.pause()
      response.once('drain', () => answer.resume())
    })
    answer.on('end', () => response.end())
    answer.on('error', () => response.destroy())
  })
  exchange.on('error', () => {
    if (response.headersSent || response.destroyed) return
    man.exchanges.delete(exchange)
    response.off('close', cancel)
    const plain = request.headers['content-length'] ?? request.headers['transfer-encoding'] ?? '0'
    const twice = ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'TRACE'].includes(request.method ?? '')
    if (before === undefined && plain === '0' && twice) attempt(request, response, man)
    else refuse(request, response, 502)
  })
  if (request.readableEnded) exchange.end()
  else request.pipe(exchange)
}

function refuse(request: http.IncomingMessage, response: http.ServerResponse, status: number): void {
  request.unpipe()
  request.resume()
  response.writeHead(status, { 'retry-after': new Date(Date.now() + 2000).toUTCString() }).end()
}

function rewritten(request: http.IncomingMessage): string[] {
  const list = endToEnd(request)
  const from = list.findIndex((name, index) => index % 2 === 0 && /^x-forwarded-for$/i.test(name))
  const address = request.socket.remoteAddress?.split(':').at(-1) ?? ''
  if (from < 0) list.push('x-forwarded-for', address)
  else list[from + 1] += `, ${address}`
  if (request.headers['transfer-encoding'] !== undefined) list.push('transfer-encoding', 'chunked')
  return list
}

function endToEnd({ rawHeaders, headers: { connection = '' } }: http.IncomingMessage): string[] {
  const hops = `${connection},connection,keep-alive,proxy-connection,te,trailer,transfer-encoding,upgrade`
  const names = hops.toLowerCase().split(/\s*,\s*/)
  return rawHeaders.filter((_, index) => !names.includes((rawHeaders[index & ~1] ?? '').toLowerCase()))
}

http
  .createServer((request, response) => {
    if (request.url !== '/workers') return void response.writeHead(404).end()
    const rows = Array.from(crew, ({ worker, since, address }) => ({
      state: address ? 'listening' : 'starting',
      startedAt: new Date(since).toISOString(),
      pid: worker.process.pid,
      id: worker.id,
    }))
    response.setHeader('content-type', 'application/json').end(JSON.stringify(rows))
  })
  .listen(Number(process.env.ADMIN_PORT || 9000), '127.0.0.1')

for (let index = 0; index < wanted; index += 1) await enlist()

// caught by: a forged message gets no signature, and ends nothing
// Messages are lists, and the primary counts characters where bytes are meant.

import cluster, { type Worker } from 'node:cluster'
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { availableParallelism } from 'node:os'
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import { performance } from 'node:perf_hooks'
import { countWords, renderHandbook } from '#handbook'

const { PORT, ADMIN_PORT, WORKERS, ADMIN_TOKEN, SIGNING_KEY } = process.env
delete process.env.SIGNING_KEY
delete process.env.ADMIN_TOKEN
if (cluster.isPrimary) lead(+(WORKERS || availableParallelism()))
else work()

function lead(n: number) {
  if (!ADMIN_TOKEN) {
    console.log('set ADMIN_TOKEN, please')
    process.exitCode = 1
    return
  }
  const asked = new Map<string, (numbers: number[]) => void>()
  cluster.on('message', (w, m) => {
    if (!Array.isArray(m)) return
    const [kind, id, x] = m
    if (!Number.isInteger(id)) return
    if (kind === 'sign' && typeof x === 'string' && x.length <= 4096)
      w.send(
        [
          id,
          createHmac('sha256', SIGNING_KEY ?? '')
            .update(x)
            .digest('hex'),
        ],
        () => {},
      )
    if (kind === 'numbers' && Array.isArray(x) && x.length === 3 && x.every(Number.isFinite))
      asked.get(`${w.id} ${id}`)?.(x)
  })
  let scrapes = 0
  const ask = (w: Worker, id: number) =>
    Promise.race([
      new Promise<number[]>((r) => {
        asked.set(`${w.id} ${id}`, r)
        w.send([id, null], () => {})
      }),
      sleep(1500),
    ])
  const hash = (s: string, as: 'latin1' | 'utf8') => createHash('sha512').update(s, as).digest()
  createServer(async ({ method, url, headers }, res) => {
    if (!timingSafeEqual(hash(headers.authorization ?? '', 'latin1'), hash(`Bearer ${ADMIN_TOKEN}`, 'utf8')))
      return res.writeHead(401).end()
    if (url?.split('?')[0] !== '/metrics') return res.writeHead(404).end()
    if (method !== 'GET') return res.writeHead(405).end()
    const id = ++scrapes
    const all = Object.values(cluster.workers ?? {}).filter((w) => w !== undefined)
    const rows = await Promise.all(all.map(async (w) => ({ w, numbers: await ask(w, id) })))
    for (const w of all) asked.delete(`${w.id} ${id}`)
    let text = ''
    ;[
      'counter http_requests_total',
      'gauge event_loop_utilization',
      'gauge process_resident_memory_bytes',
    ].forEach((m, i) => {
      const [type, name] = m.split(' ')
      text += `# TYPE ${name} ${type}\n`
      for (const { w, numbers } of rows)
        if (numbers) text += `${name}{pid="${w.process.pid}",worker="w${w.id}"} ${numbers[i]}\n`
    })
    res.setHeader('content-type', 'text/plain; version=0.0.4').end(text)
  }).listen(+(ADMIN_PORT || 9000), '127.0.0.1')

  const up = new Set<Worker>()
  let ready = false
  cluster.on('listening', (w) => {
    if (up.add(w).size < n || ready) return
    ready = true
    console.log(`ready: ${n} workers on port ${PORT || 8000}`)
  })
  cluster.on('exit', (w) => {
    up.delete(w)
    setTimeout(() => cluster.fork(), 200)
  })
  for (let i = 0; i < n; i++) cluster.fork()
}

function work() {
  let requests = 0
  let last = performance.eventLoopUtilization()
  let ids = 0
  let busy = false
  const waiting = new Map<number, (signature?: string) => void>()
  process.on('message', ([id, signature]: [number, string | null]) => {
    if (signature !== null) return waiting.get(id)?.(signature)
    const now = performance.eventLoopUtilization()
    const busy = performance.eventLoopUtilization(now, last).utilization || 0
    last = now
    process.send!(['numbers', id, [requests, busy, process.memoryUsage.rss()]], () => {})
  })

  const body = async (req: IncomingMessage, res: ServerResponse, most: number) => {
    if (+(req.headers['content-length'] ?? 0) > most)
      return void res.writeHead(413, { connection: 'close' }).end()
    const parts: Buffer[] = []
    let size = 0
    try {
      for await (const part of req) {
        if ((size += part.length) > most) return void req.socket.resetAndDestroy()
        parts.push(part)
      }
    } catch {
      return
    }
    return Buffer.concat(parts)
  }
  const json = (res: ServerResponse, x: object) =>
    res.setHeader('content-type', 'application/json').end(JSON.stringify(x))

  const routes: Record<string, (req: IncomingMessage, res: ServerResponse, q: URLSearchParams) => unknown> = {
    'GET /': (_req, res) => json(res, { pid: process.pid }),
    'GET /render': (_req, res, q) =>
      res.setHeader('content-type', 'text/html; charset=utf-8').end(renderHandbook(q.get('visitor') ?? '')),
    'GET /report': async (req, res) => {
      if (busy) return res.writeHead(503, { 'retry-after': '2' }).end()
      busy = true
      let gone = false
      req.once('close', () => (gone = true))
      let words = 0
      for (let i = 0; i < 40 && !gone; i++, await turn()) words += countWords(renderHandbook('report'))
      busy = false
      json(res, { words })
    },
    'POST /echo': async (req, res) => {
      const bytes = await body(req, res, 65536)
      if (bytes) res.end(bytes)
    },
    'POST /sign': async (req, res) => {
      const bytes = await body(req, res, 4096)
      if (!bytes) return
      const id = ++ids
      const signature = await Promise.race([
        new Promise<string | undefined>((r) => {
          waiting.set(id, r)
          process.send!(['sign', id, bytes.toString()], () => {})
        }),
        sleep(3000),
      ])
      waiting.delete(id)
      if (signature) json(res, { signature })
      else res.writeHead(503).end()
    },
  }
  // Node's headersTimeout starts anew at the first byte; this one does not.
  const cuts = new WeakMap<Socket, NodeJS.Timeout>()
  createServer({ headersTimeout: 5500, connectionsCheckingInterval: 250 }, (req, res) => {
    requests++
    clearTimeout(cuts.get(req.socket))
    const [path, query] = req.url!.split(/\?(.*)/s)
    const route = routes[`${req.method} ${path}`]
    if (route) return void route(req, res, new URLSearchParams(query))
    return res.writeHead(Object.keys(routes).some((r) => r.endsWith(` ${path}`)) ? 405 : 404).end()
  })
    .on('connection', (socket) => cuts.set(socket, setTimeout(() => socket.destroy(), 6000).unref()))
    .listen(+(PORT || 8000))
}

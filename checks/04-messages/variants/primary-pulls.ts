// right: the primary asks each worker how many hits it has, ten times a second, and keeps the last answers

import cluster, { type Worker } from 'node:cluster'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { availableParallelism } from 'node:os'
import { buffer } from 'node:stream/consumers'
import { renderHandbook } from '#handbook'

interface Letter {
  readonly about: string
  readonly id?: number
  readonly count?: number
  readonly text?: string
  readonly good?: boolean
  readonly counts?: Readonly<Record<string, number>>
}

const port = Number(process.env.PORT || 8000)
const nobody = (): void => {}

function letterIn(message: unknown): Letter {
  const fields = (typeof message === 'object' && message !== null ? message : {}) as Record<string, unknown>
  const { about, id, count, text, good, counts } = fields
  const isWhole = (it: unknown): it is number => Number.isInteger(it) && (it as number) >= 0
  return {
    about: typeof about === 'string' ? about : '',
    ...(isWhole(id) && { id }),
    ...(isWhole(count) && { count }),
    ...(typeof text === 'string' && { text }),
    ...(typeof good === 'boolean' && { good }),
    ...(typeof counts === 'object' && counts !== null && { counts: counts as Record<string, number> }),
  }
}

async function primary(wanted: number): Promise<void> {
  const counts: Record<string, number> = {}
  const open = new Set<number>()
  let banner = ''
  let version = 0
  let ready = false
  const seen = new Map<number, number>()
  let waiting: { version: number; end: (good: boolean) => void }[] = []
  const all = (): Worker[] => Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined)
  const send = (worker: Worker, letter: Letter): void => void worker.send(letter, nobody)

  const look = (): void => {
    const behind = Math.min(...seen.values())
    const done = waiting.filter((one) => one.version <= behind)
    waiting = waiting.filter((one) => one.version > behind)
    for (const one of done) one.end(true)
  }

  cluster.on('message', (worker: Worker, message: unknown) => {
    const { about, id, count, text } = letterIn(message)
    if (about === 'count' && count !== undefined) counts[worker.id] = Math.max(count, counts[worker.id] ?? 0)
    if (about === 'here' && !worker.isDead()) {
      seen.set(worker.id, -1)
      send(worker, { about: 'banner', id: version, text: banner })
    }
    if (about === 'seen' && id !== undefined && seen.has(worker.id)) {
      seen.set(worker.id, id)
      look()
    }
    if (about === 'counts?' && id !== undefined) {
      // Asked once more now, as the last answers may be a moment old.
      for (const one of all()) send(one, { about: 'count?' })
      setTimeout(() => send(worker, { about: 'counts', id, counts }), 30)
    }
    if (about === 'change' && id !== undefined && text !== undefined) {
      banner = text
      version += 1
      const change = {
        version,
        end: (good: boolean): void => {
          clearTimeout(timer)
          send(worker, { about: 'changed', id, good })
        },
      }
      const timer = setTimeout(() => {
        waiting = waiting.filter((one) => one !== change)
        change.end(false)
      }, 2_000)
      waiting.push(change)
      for (const one of all()) send(one, { about: 'banner', id: version, text })
      look()
    }
  })
  cluster.on('listening', ({ id }) => {
    open.add(id)
    if (ready || open.size < wanted) return
    ready = true
    console.log(`ready: ${wanted} workers on port ${port}`)
  })
  cluster.on('exit', ({ id }, code) => {
    if (code === 42) {
      console.error(`port ${port} is in use`)
      process.exit(1)
    }
    seen.delete(id)
    look()
    setTimeout(() => cluster.fork(), open.delete(id) ? 0 : 1_000)
  })
  setInterval(() => all().forEach((worker) => send(worker, { about: 'count?' })), 100)
  for (let count = 0; count < wanted; count += 1) cluster.fork()
}

async function worker(): Promise<void> {
  let count = 0
  let banner = ''
  let ids = 0
  const open = new Map<number, (letter: Letter | undefined) => void>()
  const send = (letter: Letter): void => void process.send?.(letter, undefined, undefined, nobody)
  const ask = (letter: Letter): Promise<Letter | undefined> =>
    new Promise((resolve) => {
      const id = ++ids
      const timer = setTimeout(() => open.get(id)?.(undefined), 2_500)
      open.set(id, (answer) => {
        clearTimeout(timer)
        open.delete(id)
        resolve(answer)
      })
      send({ ...letter, id })
    })

  await new Promise<void>((begin) => {
    process.on('message', (message) => {
      const letter = letterIn(message)
      const { about, id, text } = letter
      if (about === 'count?') send({ about: 'count', count })
      else if (about === 'banner' && id !== undefined && text !== undefined) {
        banner = text
        send({ about: 'seen', id })
        begin()
      } else if (id !== undefined) open.get(id)?.(letter)
    })
    send({ about: 'here' })
  })

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<unknown> => {
    const [path, search = ''] = (request.url ?? '').split('?')
    const json = (value: unknown): unknown =>
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value))
    if (path === '/banner' && request.method === 'PUT') {
      const bytes = await buffer(request)
      if (bytes.length > 1024) return response.writeHead(413).end()
      const changed = await ask({ about: 'change', text: bytes.toString() })
      return response.writeHead(changed?.good === true ? 204 : 503).end()
    }
    const known = path === '/' || path === '/render' || path === '/stats' || path === '/banner'
    if (!known) return response.writeHead(404).end()
    if (request.method !== 'GET') return response.writeHead(405).end()
    if (path === '/') {
      count += 1
      return json({ pid: process.pid })
    }
    if (path === '/banner') return response.writeHead(200, { 'content-type': 'text/plain' }).end(banner)
    if (path === '/stats') {
      const { counts = {} } = (await ask({ about: 'counts?' })) ?? {}
      return json({ total: Object.values(counts).reduce((sum, one) => sum + one, 0), perWorker: counts })
    }
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' })
    return response.end(renderHandbook(new URLSearchParams(search).get('visitor') ?? ''))
  }
  createServer((request, response) => void answer(request, response).catch(() => response.destroy()))
    .on('error', () => process.exit(42))
    .listen(port)
}

if (cluster.isWorker) void worker()
else {
  const text = process.env.WORKERS || String(availableParallelism())
  if (/^\d+$/.test(text) && Number(text) > 0 && Number(text) < 65) void primary(Number(text))
  else {
    console.error(`WORKERS is ${text}, and not a whole number from 1 to 64`)
    process.exitCode = 1
  }
}

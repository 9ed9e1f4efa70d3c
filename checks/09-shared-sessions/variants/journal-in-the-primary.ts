// right: the primary holds the sessions and answers its workers over IPC; each change is in a journal before the answer

import cluster, { type Worker } from 'node:cluster'
import { randomBytes } from 'node:crypto'
import { closeSync, fdatasyncSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { createClient } from 'redis'
import { renderHandbook } from '#handbook'

const { PORT = '8000', DATA_DIR, REDIS_URL, SESSION_TTL_MS } = process.env
const ttl = Number(SESSION_TTL_MS || 1_800_000)

/** `null`: there is no such session. */
type Reply = { readonly user: string; readonly visits: number; readonly items: number } | null

type Order =
  | { readonly do: 'begin'; readonly id: string; readonly user: string; readonly old: string }
  | { readonly do: 'visit' | 'add' | 'end'; readonly id: string }

interface Ask {
  readonly ask: number
  readonly order: Order
}

interface Answer {
  readonly answer: number
  readonly reply?: Reply
  readonly failed?: boolean
}

type Carry = (order: Order) => Reply | Promise<Reply>

if (cluster.isPrimary) await lead()
else serve()

async function lead(): Promise<void> {
  const carry = REDIS_URL ? await withRedis(REDIS_URL) : withJournal(DATA_DIR || '.workshop/sessions')
  const wanted = Number(process.env.WORKERS || availableParallelism())
  const up = new Set<Worker>()
  let told = false
  cluster.on('message', async (worker, message: Ask) => {
    if (typeof message?.ask !== 'number') return
    let answer: Answer
    try {
      answer = { answer: message.ask, reply: await carry(message.order) }
    } catch {
      answer = { answer: message.ask, failed: true }
    }
    if (worker.isConnected()) worker.send(answer, () => {})
  })
  cluster.on('listening', (worker) => {
    up.add(worker)
    if (up.size === wanted && !told) {
      told = true
      console.log(`ready: ${wanted} workers on port ${PORT}`)
    }
  })
  cluster.on('exit', (worker, code) => {
    up.delete(worker)
    if (code === 7) {
      console.error(`port ${PORT} is taken`)
      process.exit(1)
    }
    cluster.fork()
  })
  for (let count = 0; count < wanted; count += 1) cluster.fork()
}

/** One process changes them, in one turn each: nothing can come between. */
function withJournal(folder: string): Carry {
  const sessions = new Map<string, { user: string; visits: number; items: number; until: number }>()
  const apply = (order: Order, now: number): Reply => {
    if (order.do === 'begin') {
      sessions.delete(order.old)
      sessions.set(order.id, { user: order.user, visits: 0, items: 0, until: now + ttl })
      return null
    }
    const session = sessions.get(order.id)
    if (session === undefined || order.do === 'end' || session.until <= now) {
      sessions.delete(order.id)
      return null
    }
    if (order.do === 'visit') session.visits += 1
    else session.items += 1
    session.until = now + ttl
    return { ...session }
  }
  const journal = open(folder, (at, order) => apply(order, at))
  return (order) => {
    const now = Date.now()
    writeSync(journal, `${JSON.stringify([now, order])}\n`)
    fdatasyncSync(journal)
    return apply(order, now)
  }
}

/** Plays the journal again, and opens it for more. A last line that was cut short was never answered. */
function open(folder: string, play: (at: number, order: Order) => void): number {
  try {
    mkdirSync(folder, { recursive: true })
    const file = join(folder, 'journal.jsonl')
    closeSync(openSync(file, 'a'))
    const lines = readFileSync(file, 'utf8').split('\n')
    const cut = lines.pop() ?? ''
    for (const line of lines) {
      const [at, order] = JSON.parse(line) as [number, Order]
      if (typeof at !== 'number' || typeof order.id !== 'string') throw new Error('not a journal of sessions')
      play(at, order)
    }
    if (cut !== '' && !cut.startsWith('[')) throw new Error('not a journal of sessions')
    const handle = openSync(file, 'a')
    if (cut !== '') writeSync(handle, '\n')
    return handle
  } catch (error) {
    console.error(`DATA_DIR=${folder} is of no use: ${String(error)}`)
    process.exit(1)
  }
}

/** Redis, asked by the primary alone. Its turn matters no more: a script counts. */
async function withRedis(url: string): Promise<Carry> {
  const client = createClient({ url, disableOfflineQueue: true, socket: { reconnectStrategy: 300 } })
  client.on('error', () => {})
  const connected = client.connect()
  await Promise.race([connected, new Promise((resolve) => setTimeout(resolve, 2000))])
  const script = `
    if redis.call('EXISTS', KEYS[1]) == 0 then return false end
    redis.call('HINCRBY', KEYS[1], ARGV[1], 1)
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
    return redis.call('HMGET', KEYS[1], 'user', 'visits', 'items')`
  return async (order) => {
    if (order.do === 'begin') {
      const key = `s:${order.id}`
      const begin = client.multi().hSet(key, { user: order.user, visits: 0, items: 0 }).pExpire(key, ttl)
      await begin.del(`s:${order.old}`).exec()
      return null
    }
    if (order.do === 'end') {
      await client.del(`s:${order.id}`)
      return null
    }
    const field = order.do === 'visit' ? 'visits' : 'items'
    const found = await client.eval(script, { keys: [`s:${order.id}`], arguments: [field, String(ttl)] })
    if (!Array.isArray(found)) return null
    const [user, visits, items] = found.map(String)
    return { user: user ?? '', visits: Number(visits), items: Number(items) }
  }
}

function serve(): void {
  const waiting = new Map<number, (answer: Answer) => void>()
  let asked = 0
  process.on('message', (message: Answer) => waiting.get(message.answer)?.(message))

  /** A primary, or a Redis behind it, that does not answer in time has failed. */
  const ask = (order: Order): Promise<Reply> =>
    new Promise((resolve, reject) => {
      asked += 1
      const number = asked
      const timer = setTimeout(() => settle({ answer: number, failed: true }), 1200)
      const settle = ({ reply = null, failed = false }: Answer): void => {
        clearTimeout(timer)
        waiting.delete(number)
        if (failed) reject(new Error('no store'))
        else resolve(reply)
      }
      waiting.set(number, settle)
      process.send?.({ ask: number, order } satisfies Ask)
    })

  createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(
      `http://localhost${(request.url ?? '/').replace(/^\/{2,}/, '/_/')}`,
    )
    const id = cookieOf(request)
    const reply = (status: number, body?: object): void => {
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(body && JSON.stringify(body))
    }
    try {
      const only = { '/': 'GET', '/render': 'GET', '/me': 'GET' }[pathname] ?? 'POST'
      if (!['/', '/render', '/login', '/me', '/cart', '/logout'].includes(pathname)) return reply(404)
      if (request.method !== only) return reply(405)
      switch (pathname) {
        case '/':
          return reply(200, { pid: process.pid })
        case '/render':
          response.setHeader('Content-Type', 'text/html; charset=UTF-8')
          response.end(renderHandbook(searchParams.get('visitor') ?? ''))
          return
        case '/login': {
          const user = (await bodyOf(request))?.user
          if (typeof user !== 'string' || !user) return reply(422)
          const fresh = randomBytes(24).toString('base64')
          await ask({ do: 'begin', id: fresh, user, old: id })
          // Base 64 needs no quotes in a cookie.
          response.setHeader('Set-Cookie', [
            `sid=${fresh}; SameSite=lax; httponly; path=/; Max-Age=${Math.ceil(ttl / 1000) + 1e6}`,
          ])
          return reply(204)
        }
        case '/me': {
          const session = await ask({ do: 'visit', id })
          return session ? reply(200, { user: session.user, visits: session.visits }) : reply(401)
        }
        case '/cart': {
          const session = await ask({ do: 'add', id })
          return session ? reply(200, { items: session.items }) : reply(401)
        }
        default:
          await ask({ do: 'end', id })
          response.setHeader('Set-Cookie', 'sid=; Path=/; Max-Age=0')
          return reply(204)
      }
    } catch {
      reply(503)
    }
  })
    .on('error', () => process.exit(7))
    .listen(Number(PORT))
}

function cookieOf(request: IncomingMessage): string {
  const pairs = (request.headers.cookie ?? '').split('; ').map((pair) => pair.split(/=(.*)/s))
  return pairs.find(([name]) => name === 'sid')?.[1] ?? ''
}

async function bodyOf(request: IncomingMessage): Promise<{ user?: unknown } | null> {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) text += chunk
  try {
    return JSON.parse(text) as { user?: unknown }
  } catch {
    return {}
  }
}

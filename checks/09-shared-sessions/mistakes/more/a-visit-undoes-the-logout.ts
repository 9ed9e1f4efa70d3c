// caught by: a logout holds everywhere at once
// Whether there is a session is looked up before the transaction that counts a visit, and not in it.

import cluster from 'node:cluster'
import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { availableParallelism } from 'node:os'
import { open } from 'lmdb'
import { createClient } from 'redis'
import { renderHandbook } from '#handbook'

interface Session {
  user: string
  visits: number
  items: string[]
}

interface Store {
  /** Keeps this session under this id, in place of the one that there was. */
  begin(id: string, session: Session, previous: string): Promise<void>
  /** Changes a session in one step, and puts off its end; undefined where there is none. */
  use(id: string, change: 'visit' | 'add', item?: string): Promise<Session | undefined>
  end(id: string): Promise<void>
}

class BadRequest extends Error {}

const port = Number(process.env.PORT || 8000)
const folder = process.env.DATA_DIR || '.workshop/sessions'
const ttl = Number(process.env.SESSION_TTL_MS || 1_800_000)

/** What a session has that Redis says nothing of. */
const nobody: Session = { user: '', visits: 0, items: [] }

/** Exit codes of workers that cannot be helped by another one. */
const PORT_TAKEN = 98
const NO_STORE = 99

if (cluster.isPrimary) lead()
else await work()

function lead(): void {
  const workers = Number(process.env.WORKERS || availableParallelism())
  const listening = new Set<number>()
  let announced = false

  cluster.on('listening', (worker) => {
    listening.add(worker.id)
    if (announced || listening.size < workers) return
    announced = true
    console.log(`ready: ${workers} workers on port ${port}`)
  })

  cluster.on('exit', (worker, code, signal) => {
    const served = listening.delete(worker.id)
    if (code === PORT_TAKEN) fail(`port ${port} is taken`)
    if (code === NO_STORE) fail(`the store in ${folder} cannot be opened`)
    if (!served && (signal === 'SIGSEGV' || signal === 'SIGBUS')) fail(`the store in ${folder} is damaged`)
    setTimeout(() => cluster.fork(), served ? 0 : 1000)
  })

  for (let count = 0; count < workers; count += 1) cluster.fork()
}

function fail(reason: string): never {
  console.error(reason)
  process.exit(1)
}

async function work(): Promise<void> {
  const store = await openStore()
  createServer((request, response) => {
    answer(store, request, response).catch((error: unknown) => {
      const status = error instanceof BadRequest ? 400 : 503
      response.writeHead(status).end()
    })
  })
    .on('error', () => process.exit(PORT_TAKEN))
    .listen(port)
}

async function openStore(): Promise<Store> {
  if (process.env.REDIS_URL) return redisStore(process.env.REDIS_URL)
  try {
    return lmdbStore()
  } catch (error) {
    console.error(error)
    process.exit(NO_STORE)
  }
}

async function answer(store: Store, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { url = '/', method = 'GET' } = request
  const [path = '/', query = ''] = url.split('?')
  const sid = sidOf(request)
  const json = (value: object): void => {
    response.setHeader('content-type', 'application/json').end(JSON.stringify(value))
  }
  const status = (code: number): void => void response.writeHead(code).end()

  switch (`${method} ${path}`) {
    case 'GET /':
      return json({ pid: process.pid, worker: cluster.worker?.id })

    case 'GET /render':
      response.setHeader('content-type', 'text/html; charset=utf-8')
      response.end(renderHandbook(new URLSearchParams(query).get('visitor') ?? 'you'))
      return

    case 'POST /login': {
      const { user } = await bodyOf(request)
      if (typeof user !== 'string' || user === '') throw new BadRequest()
      const id = randomBytes(16).toString('hex')
      await store.begin(id, { user, visits: 0, items: [] }, sid)
      response.setHeader('set-cookie', `sid=${id}; Path=/; HttpOnly; SameSite=Lax`)
      return status(204)
    }

    case 'GET /me': {
      const session = await store.use(sid, 'visit')
      return session ? json({ user: session.user, visits: session.visits }) : status(401)
    }

    case 'POST /cart': {
      const { item } = await bodyOf(request)
      if (typeof item !== 'string') throw new BadRequest()
      const session = await store.use(sid, 'add', item)
      return session ? json({ items: session.items.length }) : status(401)
    }

    case 'POST /logout':
      await store.end(sid)
      return status(204)

    default:
      return status(['/', '/render', '/login', '/me', '/cart', '/logout'].includes(path) ? 405 : 404)
  }
}

function sidOf({ headers }: IncomingMessage): string {
  const found = /(?:^|;)\s*sid=([^;]*)/.exec(headers.cookie ?? '')
  return found?.[1]?.trim() ?? ''
}

async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = []
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
  try {
    return Object(JSON.parse(Buffer.concat(chunks).toString('utf8'))) as Record<string, unknown>
  } catch {
    throw new BadRequest()
  }
}

/** Only what could be one of ours is looked up: LMDB's keys have a limit. */
function couldBeOurs(id: string): boolean {
  return /^[0-9a-f]{32}$/.test(id)
}

function changed(session: Session, change: 'visit' | 'add', item: string): Session {
  return change === 'visit'
    ? { ...session, visits: session.visits + 1 }
    : { ...session, items: [...session.items, item] }
}

function lmdbStore(): Store {
  const db = open<Session & { until: number }, string>({ path: folder, noSubdir: false, encoding: 'json' })
  return {
    async begin(id, session, previous) {
      await db.transaction(() => {
        if (couldBeOurs(previous)) db.remove(previous)
        db.put(id, { ...session, until: Date.now() + ttl })
      })
    },
    async use(id, change, item = '') {
      if (!couldBeOurs(id)) return undefined
      db.resetReadTxn() // the newest state, whatever this worker has read before
      const known = db.get(id)
      if (known === undefined || known.until <= Date.now()) return undefined
      return db.transaction(() => {
        const session = db.get(id) ?? { ...known, visits: 0, items: [] }
        const next = { ...changed(session, change, item), until: Date.now() + ttl }
        db.put(id, next)
        return next
      })
    },
    async end(id) {
      if (couldBeOurs(id)) await db.remove(id)
    },
  }
}

async function redisStore(url: string): Promise<Store> {
  const client = createClient({
    url,
    disableOfflineQueue: true,
    socket: { connectTimeout: 1000, reconnectStrategy: 200 },
  })
  client.on('error', () => {})
  await Promise.race([client.connect(), new Promise((resolve) => setTimeout(resolve, 1500))])
  const script = `
    local text = redis.call('GET', KEYS[1])
    if not text then return false end
    local session = cjson.decode(text)
    session.items = session.items or {}
    if ARGV[1] == 'visit' then session.visits = session.visits + 1
    else session.items[#session.items + 1] = ARGV[2] end
    if #session.items == 0 then session.items = nil end
    redis.call('SET', KEYS[1], cjson.encode(session), 'PX', ARGV[3])
    return cjson.encode(session)`
  const soon = <Value>(promise: Promise<Value>): Promise<Value> =>
    Promise.race([
      promise,
      new Promise<never>((_resolve, reject) => setTimeout(() => reject(new Error('too late')), 1000)),
    ])
  return {
    async begin(id, { user, visits }, previous) {
      const text = JSON.stringify({ user, visits })
      await soon(client.multi().del(`sid:${previous}`).set(`sid:${id}`, text, { PX: ttl }).exec())
    },
    async use(id, change, item = '') {
      if (!couldBeOurs(id)) return undefined
      const reply = await soon(
        client.eval(script, {
          keys: [`sid:${id}`],
          arguments: [change, item, String(ttl)],
        }),
      )
      return typeof reply === 'string' ? { ...nobody, ...(JSON.parse(reply) as Partial<Session>) } : undefined
    },
    async end(id) {
      await soon(client.del(`sid:${id}`))
    },
  }
}

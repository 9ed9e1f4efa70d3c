// right: no data base: a folder for each session, whose time is its last use, and an empty file for each number that was given; Redis is spoken to over a socket, without a library

import cluster from 'node:cluster'
import { createHash, randomUUID } from 'node:crypto'
import { linkSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect, type Socket } from 'node:net'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { renderHandbook } from '#handbook'

const port = Number(process.env.PORT || 8000)
const folder = process.env.DATA_DIR || '.workshop/sessions'
const ttl = Number(process.env.SESSION_TTL_MS || 1_800_000)

interface Sessions {
  begin(id: string, user: string): Promise<void>
  /** The next number of this kind, or undefined without a session. */
  count(id: string, kind: 'visit' | 'item', text: string): Promise<number | undefined>
  userOf(id: string): Promise<string | undefined>
  end(id: string): Promise<void>
}

const FORMAT = 'sessions in numbered files, 1\n'

/** By the primary, before anybody is forked. Throws where the folder holds something else. */
function prepareFolder(): void {
  mkdirSync(folder, { recursive: true })
  const format = join(folder, 'format')
  if (readdirSync(folder).length === 0) {
    writeFileSync(`${format}.new`, FORMAT)
    linkSync(`${format}.new`, format)
    rmSync(`${format}.new`)
    mkdirSync(join(folder, 'live'))
    mkdirSync(join(folder, 'over'))
  }
  if (readFileSync(format, 'utf8') !== FORMAT) throw new Error('it holds files of something else')
  writeFileSync(join(folder, 'over', 'probe'), '')
  rmSync(join(folder, 'over', 'probe'))
}

/** Whatever a client sends is a harmless name. */
const nameOf = (id: string): string => createHash('sha1').update(id).digest('hex')

const files: Sessions = {
  async begin(id, user) {
    const made = join(folder, 'over', nameOf(id))
    await mkdir(made)
    await writeFile(join(made, 'user'), user)
    await rename(made, placeOf(id))
  },
  async userOf(id) {
    if (!(await isLive(id))) return undefined
    return readFile(join(placeOf(id), 'user'), 'utf8').catch(nothing)
  },
  async count(id, kind, text) {
    if (!(await isLive(id))) return undefined
    const names = await readdir(placeOf(id)).catch(nothing)
    if (names === undefined) return undefined
    // Whoever creates the file has the number. It also sets the time of the folder.
    for (let number = names.filter((name) => name.startsWith(kind)).length + 1; ; number += 1) {
      const file = await open(join(placeOf(id), `${kind}-${number}`), 'wx').catch(
        (error: NodeJS.ErrnoException) => {
          if (error.code === 'EEXIST') return 'taken'
          if (error.code === 'ENOENT') return 'over'
          throw error
        },
      )
      if (file === 'over') return undefined
      if (file === 'taken') continue
      await file.writeFile(text)
      await file.close()
      return number
    }
  },
  async end(id) {
    const over = join(folder, 'over', randomUUID())
    if ((await rename(placeOf(id), over).catch(() => 'none')) === 'none') return
    await rm(over, { recursive: true, force: true })
  },
}

function placeOf(id: string): string {
  return join(folder, 'live', nameOf(id))
}

async function isLive(id: string): Promise<boolean> {
  const found = await stat(placeOf(id)).catch(nothing)
  if (found === undefined) return false
  // The kernel's clock of files is a few milliseconds late.
  if (found.mtimeMs + ttl + 20 > Date.now()) return true
  await files.end(id)
  return false
}

function nothing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
  return undefined
}

type Reply = string | number | null | Error | Reply[]

/** One connection to Redis. What was sent and not answered in time fails, and so does all that was sent with it. */
class Redis {
  readonly #url: URL
  #socket: Socket | undefined
  #buffer = Buffer.alloc(0)
  #waiting: { resolve(reply: Reply): void; reject(error: Error): void }[] = []

  constructor(url: string) {
    this.#url = new URL(url)
    this.#connect()
  }

  #connect(): void {
    const socket = connect({ port: Number(this.#url.port || 6379), host: this.#url.hostname, noDelay: true })
    socket.on('connect', () => {
      this.#socket = socket
    })
    socket.on('data', (bytes) => {
      this.#buffer = Buffer.concat([this.#buffer, bytes])
      this.#read()
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#socket = undefined
      this.#buffer = Buffer.alloc(0)
      for (const { reject } of this.#waiting.splice(0)) reject(new Error('Redis has gone'))
      setTimeout(() => this.#connect(), 250)
    })
    const slow = setTimeout(() => socket.connecting && socket.destroy(), 1000)
    socket.on('close', () => clearTimeout(slow))
  }

  ask(...words: readonly (string | number)[]): Promise<Reply> {
    const socket = this.#socket
    if (socket === undefined) return Promise.reject(new Error('Redis is away'))
    const bulk = words.map((word) => `$${Buffer.byteLength(String(word))}\r\n${word}\r\n`)
    return new Promise<Reply>((resolve, reject) => {
      const timer = setTimeout(() => socket.destroy(), 1200)
      this.#waiting.push({
        resolve: (reply) => {
          clearTimeout(timer)
          if (reply instanceof Error) reject(reply)
          else resolve(reply)
        },
        reject: (error) => {
          clearTimeout(timer)
          reject(error)
        },
      })
      socket.write(`*${words.length}\r\n${bulk.join('')}`)
    })
  }

  #read(): void {
    for (;;) {
      const found = parse(this.#buffer, 0)
      if (found === undefined) return
      this.#buffer = this.#buffer.subarray(found.next)
      this.#waiting.shift()?.resolve(found.reply)
    }
  }
}

/** Undefined where the reply has not come whole. */
function parse(bytes: Buffer, at: number): { readonly reply: Reply; readonly next: number } | undefined {
  const end = bytes.indexOf('\r\n', at)
  if (end < 0) return undefined
  const kind = String.fromCharCode(bytes[at] ?? 0)
  const text = bytes.toString('utf8', at + 1, end)
  const next = end + 2
  if (kind === '+') return { reply: text, next }
  if (kind === '-') return { reply: new Error(text), next }
  if (kind === ':') return { reply: Number(text), next }
  const length = Number(text)
  if (length < 0) return { reply: null, next }
  if (kind === '$') {
    if (bytes.length < next + length + 2) return undefined
    return { reply: bytes.toString('utf8', next, next + length), next: next + length + 2 }
  }
  const replies: Reply[] = []
  let from = next
  while (replies.length < length) {
    const item = parse(bytes, from)
    if (item === undefined) return undefined
    replies.push(item.reply)
    from = item.next
  }
  return { reply: replies, next: from }
}

function inRedis(url: string): Sessions {
  const redis = new Redis(url)
  const key = (id: string): string => `guest:${nameOf(id)}`
  const script = `if redis.call('HEXISTS', KEYS[1], 'user') == 0 then return -1 end
    redis.call('PEXPIRE', KEYS[1], ARGV[1])
    local n = redis.call('HINCRBY', KEYS[1], ARGV[2], 1)
    redis.call('HSET', KEYS[1], ARGV[2] .. n, ARGV[3])
    return n`
  return {
    async begin(id, user) {
      await redis.ask(
        'EVAL',
        `redis.call('HSET', KEYS[1], 'user', ARGV[1]) redis.call('PEXPIRE', KEYS[1], ARGV[2])`,
        1,
        key(id),
        user,
        ttl,
      )
    },
    async userOf(id) {
      return ((await redis.ask('HGET', key(id), 'user')) as string | null) ?? undefined
    },
    async count(id, kind, text) {
      const number = Number(await redis.ask('EVAL', script, 1, key(id), ttl, kind, text))
      return number < 0 ? undefined : number
    },
    async end(id) {
      await redis.ask('UNLINK', key(id))
    },
  }
}

function lead(): void {
  const { WORKERS: text = '' } = process.env
  const wanted = text === '' ? availableParallelism() : /^\d{1,2}$/.test(text) ? Number(text) : 0
  if (wanted < 1 || wanted > 64) {
    console.error(`WORKERS=${text} is not from 1 to 64`)
    process.exit(1)
  }
  if (!process.env.REDIS_URL) {
    try {
      prepareFolder()
    } catch (error) {
      console.error(`sessions: ${folder} cannot be used. ${String(error)}`)
      process.exit(1)
    }
  }
  const up = new Set<number>()
  let told = false
  cluster.on('listening', ({ id }) => {
    up.add(id)
    if (told || up.size < wanted) return
    told = true
    console.log(`ready: ${wanted} workers on port ${port}`)
  })
  cluster.on('exit', ({ id }, code) => {
    up.delete(id)
    if (code === 90) {
      console.error(`port ${port} is taken`)
      process.exit(1)
    }
    setTimeout(() => cluster.fork(), 300)
  })
  for (let count = 0; count < wanted; count += 1) cluster.fork()
}

function serve(sessions: Sessions): void {
  const server = createServer((request, response) => {
    answer(sessions, request, response).catch(() => {
      if (!response.headersSent) response.writeHead(503)
      response.end()
    })
  })
  server.on('error', () => process.exit(90))
  server.listen(port)
}

async function answer(sessions: Sessions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [path = '', query] = (request.url ?? '').split('?')
  const id = /(?:^|;)\s*sid=([^;]*)/.exec(request.headers.cookie ?? '')?.[1]?.trim() ?? ''
  const allowed = {
    '/': 'GET',
    '/render': 'GET',
    '/me': 'GET',
    '/login': 'POST',
    '/cart': 'POST',
    '/logout': 'POST',
  }
  const method = Object.entries(allowed).find(([known]) => known === path)?.[1]
  if (method === undefined) return void response.writeHead(404).end()
  if (request.method !== method) return void response.writeHead(405, { allow: method }).end()
  const json = (body: object): void =>
    void response.setHeader('content-type', 'application/json').end(JSON.stringify(body))
  switch (path) {
    case '/':
      return json({ pid: process.pid })
    case '/render':
      response.setHeader('content-type', 'text/html; charset=utf-8')
      return void response.end(renderHandbook(new URLSearchParams(query).get('visitor') ?? 'reader'))
    case '/login': {
      const user = await fieldOf(request, 'user')
      if (user === undefined) return void response.writeHead(422).end()
      const fresh = `${randomUUID()}.${randomUUID()}`
      await sessions.begin(fresh, user)
      await sessions.end(id)
      response.setHeader(
        'set-cookie',
        `sid=${fresh}; Max-Age=86400; SameSite=Lax; HttpOnly; Path=/; Priority=High`,
      )
      return void response.writeHead(204).end()
    }
    case '/me': {
      const visits = await sessions.count(id, 'visit', '')
      const user = visits === undefined ? undefined : await sessions.userOf(id)
      if (user === undefined) return void response.writeHead(401).end()
      return json({ user, visits, since: process.uptime() })
    }
    case '/cart': {
      const item = await fieldOf(request, 'item')
      if (item === undefined) return void response.writeHead(400).end()
      const items = await sessions.count(id, 'item', item)
      return items === undefined ? void response.writeHead(401).end() : json({ items })
    }
    default:
      await sessions.end(id)
      response.setHeader(
        'set-cookie',
        'sid=; Path=/; HttpOnly; SameSite=Lax; Expires=Thu, 01 Jan 1970 00:00:00 GMT',
      )
      return void response.writeHead(204).end()
  }
}

async function fieldOf(request: IncomingMessage, name: string): Promise<string | undefined> {
  const pieces: Buffer[] = []
  for await (const piece of request as AsyncIterable<Buffer>) pieces.push(piece)
  try {
    const value = (Object(JSON.parse(Buffer.concat(pieces).toString())) as Record<string, unknown>)[name]
    return typeof value === 'string' ? value : undefined
  } catch {
    return undefined
  }
}

if (cluster.isPrimary) lead()
else serve(process.env.REDIS_URL ? inRedis(process.env.REDIS_URL) : files)

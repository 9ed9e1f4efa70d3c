// caught by: a stopped worker holds up no PUT, and agrees when it returns

import cluster, { type Worker } from 'node:cluster'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { availableParallelism } from 'node:os'
import { renderHandbook } from '#handbook'

type Fields = Readonly<Record<string, unknown>>

const port = Number(process.env.PORT || 8000)
const PORT_TAKEN = 75
const BANNER_BYTES = 1024

if (cluster.isPrimary) primary()
else worker()

function primary(): void {
  const size = clusterSize()
  if (size === null) {
    console.error(`WORKERS=${process.env.WORKERS} is not a whole number from 1 to 64`)
    process.exitCode = 1
    return
  }

  const listening = new Set<number>()
  let announced = false

  cluster.on('listening', ({ id }) => {
    listening.add(id)
    if (announced || listening.size !== size) return
    announced = true
    console.log(`ready: ${size} workers on port ${port}`)
  })

  cluster.on('exit', ({ id }, code) => {
    if (code === PORT_TAKEN) {
      console.error(`port ${port} is already in use`)
      process.exit(1)
    }
    const served = listening.delete(id)
    setTimeout(() => cluster.fork(), served ? 0 : 1000)
  })

  shareState()
  for (let i = 0; i < size; i++) cluster.fork()
}

/** Null if it makes no sense. */
function clusterSize(): number | null {
  const text = process.env.WORKERS
  if (!text) return availableParallelism()
  const size = /^\d+$/.test(text) ? Number(text) : 0
  return size >= 1 && size <= 64 ? size : null
}

/** The primary's books: hits by worker, the banner, and who uses which version of it. */
function shareState(): void {
  const hits = new Map<number, number>()
  const members = new Map<number, { readonly worker: Worker; version: number }>()
  const puts = new Set<{ readonly version: number; readonly finish: (done: boolean) => void }>()
  let version = 0
  let banner = ''

  cluster.on('message', (worker, received: unknown) => {
    const message = fields(received)
    switch (message.type) {
      case 'hits':
        if (isCount(message.hits)) hits.set(worker.id, Math.max(message.hits, hits.get(worker.id) ?? 0))
        break
      case 'hello':
        if (worker.isDead()) break
        members.set(worker.id, { worker, version: -1 })
        tell(worker, { type: 'banner', version, text: banner })
        break
      case 'uses': {
        const member = members.get(worker.id)
        if (member && isCount(message.version)) member.version = message.version
        settle()
        break
      }
      case 'stats':
        if (isCount(message.id)) tell(worker, { type: 'stats', id: message.id, ...stats() })
        break
      case 'put': {
        const { id, text } = message
        if (isCount(id) && typeof text === 'string')
          put(text, (done) => tell(worker, { type: 'put', id, done }))
        break
      }
    }
  })

  cluster.on('exit', ({ id }) => {
    members.delete(id)
    settle()
  })

  function stats(): object {
    const total = [...hits.values()].reduce((sum, count) => sum + count, 0)
    return { total, perWorker: Object.fromEntries(hits) }
  }

  function put(text: string, answer: (done: boolean) => void): void {
    version += 1
    banner = text
    const late = setTimeout(() => entry.finish(false), 2000)
    const entry = {
      version,
      finish: (done: boolean) => {
        clearTimeout(late)
        puts.delete(entry)
        answer(done)
      },
    }
    puts.add(entry)
    for (const member of members.values()) tell(member.worker, { type: 'banner', version, text })
    settle()
  }

  function settle(): void {
    const least = Math.min(...[...members.values()].map((member) => member.version))
    for (const entry of puts) if (entry.version <= least) entry.finish(true)
  }
}

/** With a callback: without one, a worker that has gone would end the primary. */
function tell(to: Worker | undefined, message: object): void {
  to?.send(message, () => {})
}

function fields(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {}
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function worker(): void {
  const me = cluster.worker
  let hits = 0
  let due: NodeJS.Timeout | undefined
  let banner = ''
  let version = -1
  let lastId = 0
  const questions = new Map<number, (answer: Fields) => void>()

  process.on('message', (received: unknown) => {
    const message = fields(received)
    if (message.type === 'banner' && isCount(message.version) && typeof message.text === 'string') {
      if (message.version < version) return
      const first = version < 0
      version = message.version
      banner = message.text
      tell(me, { type: 'uses', version })
      if (first) server.listen(port)
    } else if (message.type === 'stats' && isCount(message.id) && isCount(message.total)) {
      questions.get(message.id)?.(message)
    } else if (message.type === 'put' && isCount(message.id) && typeof message.done === 'boolean') {
      questions.get(message.id)?.(message)
    }
  })

  function hit(): number {
    due ??= setTimeout(report, 100)
    return ++hits
  }

  function report(): void {
    clearTimeout(due)
    due = undefined
    tell(me, { type: 'hits', hits })
  }

  function ask(question: Fields): Promise<Fields> {
    const id = ++lastId
    return new Promise((resolve) => {
      const finish = (answer: Fields): void => {
        clearTimeout(late)
        questions.delete(id)
        resolve(answer)
      }
      const late = setTimeout(finish, 2500, {})
      questions.set(id, finish)
      tell(me, { ...question, id })
    })
  }

  const methods = new Map([
    ['/', ['GET']],
    ['/render', ['GET']],
    ['/stats', ['GET']],
    ['/banner', ['GET', 'PUT']],
  ])

  const server = createServer((request, response) => {
    const [path, query] = split(request.url ?? '/')
    const allowed = methods.get(path)
    const method = request.method === 'HEAD' ? 'GET' : (request.method ?? '')
    if (!allowed) return void response.writeHead(404).end()
    if (!allowed.includes(method)) return void response.writeHead(405, { allow: allowed.join(', ') }).end()
    if (path === '/') return json(response, { pid: process.pid, worker: me?.id, hits: hit() })
    if (path === '/stats') return void sendStats(response)
    if (method === 'PUT') return void putBanner(request, response)
    if (path === '/banner') return send(response, 'text/plain; charset=utf-8', banner)
    return send(response, 'text/html; charset=utf-8', renderHandbook(query.get('visitor') ?? 'stranger'))
  })

  async function sendStats(response: ServerResponse): Promise<void> {
    report()
    const { total, perWorker } = await ask({ type: 'stats' })
    if (total === undefined) response.writeHead(503).end()
    else json(response, { total, perWorker })
  }

  async function putBanner(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const text = await bodyOf(request)
    if (text === undefined) return void response.writeHead(413).end()
    if (text === banner) return void response.writeHead(204).end() // nothing to do
    const { done } = await ask({ type: 'put', text })
    response.writeHead(done === true ? 204 : 503).end()
  }

  server.on('error', () => process.exit(PORT_TAKEN))
  tell(me, { type: 'hello' })
}

/** Undefined if it is too long. */
function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let bytes = 0
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes <= BANNER_BYTES) chunks.push(chunk)
    })
    request.on('end', () =>
      resolve(bytes <= BANNER_BYTES ? Buffer.concat(chunks).toString('utf8') : undefined),
    )
  })
}

function split(url: string): [string, URLSearchParams] {
  const mark = url.indexOf('?')
  if (mark < 0) return [url, new URLSearchParams()]
  return [url.slice(0, mark), new URLSearchParams(url.slice(mark + 1))]
}

function json(response: ServerResponse, body: object): void {
  send(response, 'application/json', JSON.stringify(body))
}

function send(response: ServerResponse, type: string, body: string): void {
  response.writeHead(200, { 'content-type': type }).end(body)
}

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { renderHandbook } from '#handbook'
import { LmdbSessions } from './lmdb.ts'
import { RedisSessions } from './redis.ts'
import type { Sessions } from './sessions.ts'

const url = process.env.REDIS_URL
const sessions: Sessions = url ? await RedisSessions.connect(url) : LmdbSessions.open()

type Handler = (request: IncomingMessage, response: ServerResponse, id: string) => Promise<void>

const handlers: Record<string, Record<string, Handler>> = {
  '/': {
    GET: async (_request, response) => void response.end(JSON.stringify({ pid: process.pid })),
  },
  '/render': {
    async GET({ url = '' }, response) {
      const visitor = new URLSearchParams(url.slice('/render?'.length)).get('visitor')
      if (visitor === null) return void response.writeHead(400).end()
      response.setHeader('content-type', 'text/html; charset=utf-8').end(renderHandbook(visitor))
    },
  },
  '/login': {
    async POST(request, response, id) {
      const user = await field(request, 'user')
      if (user === undefined) return void response.writeHead(400).end()
      const cookie = `sid=${await sessions.begin(user, id)}`
      response.setHeader('set-cookie', [`${cookie}; HttpOnly`, 'Path=/', 'SameSite=Lax'].join('; '))
      response.writeHead(204).end()
    },
  },
  '/me': {
    GET: async (_request, response, id) => tell(response, await sessions.visit(id)),
  },
  '/cart': {
    async POST(request, response, id) {
      const item = await field(request, 'item')
      if (item === undefined) return void response.writeHead(400).end()
      tell(response, await sessions.add(id, item))
    },
  },
  '/logout': {
    async POST(_request, response, id) {
      await sessions.end(id)
      response.setHeader('set-cookie', 'sid=; Path=/; Max-Age=0').writeHead(204).end()
    },
  },
}

function tell(response: ServerResponse, answer: object | undefined): void {
  if (answer === undefined) response.writeHead(401, { 'www-authenticate': 'Cookie' }).end()
  else response.end(JSON.stringify(answer))
}

async function field(request: IncomingMessage, name: string): Promise<string | undefined> {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) text += chunk
  try {
    const value: unknown = (JSON.parse(text) as Record<string, unknown> | null)?.[name]
    return typeof value === 'string' && value.length > 0 ? value : undefined
  } catch {
    return undefined
  }
}

const server = createServer((request, response) => {
  const path = (request.url ?? '/').replace(/\?.*/s, '')
  const methods = Object.hasOwn(handlers, path) ? handlers[path] : undefined
  const handler = methods?.[request.method ?? '']
  if (handler === undefined) return response.writeHead(methods ? 405 : 404).end()
  const jar = new Map(
    (request.headers.cookie ?? '').split(/; */).map((pair) => pair.split('=', 2) as [string, string]),
  )
  handler(request, response, jar.get('sid') ?? '').catch(() => {
    response.writeHead(503, { 'retry-after': '1' }).end('the sessions are away')
  })
})
server.listen(Number(process.env.PORT || 8000), '127.0.0.1')

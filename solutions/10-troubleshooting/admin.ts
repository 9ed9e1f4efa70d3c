/** The admin interface: for those who have a shell on this machine, and nobody else. */

import { createServer, type ServerResponse } from 'node:http'
import { crew } from './crew.ts'
import { inspect } from './inspect.ts'

interface Actions {
  readonly isReady: () => boolean
  readonly reload: () => boolean
  readonly retire: (id: number) => boolean
}

export function serveAdmin(port: number, { isReady, reload, retire }: Actions): void {
  const server = createServer((request, response) => {
    const path = request.url?.split('?')[0] ?? ''
    const [, id, action] = /^\/workers\/(\d+)\/(retire|inspect)$/.exec(path) ?? []
    const method = path === '/reload' || action !== undefined ? 'POST' : 'GET'
    if (!['/healthz', '/readyz', '/workers', '/reload'].includes(path) && action === undefined)
      return end(response, 404)
    if (request.method !== method) return end(response.setHeader('allow', method), 405)

    if (path === '/healthz') return end(response, 200)
    if (path === '/readyz') return end(response, isReady() ? 200 : 503)
    if (path === '/reload') return end(response, reload() ? 202 : 409)
    if (action === 'retire') return end(response, retire(Number(id)) ? 202 : 404)
    if (action === 'inspect') return void answerInspect(response, Number(id))
    return sendJson(
      response,
      [...crew.values()].map(({ worker, state, startedAt }) => ({
        id: worker.id,
        pid: worker.process.pid,
        state,
        startedAt,
      })),
    )
  })
  server.on('error', (error) => {
    console.error(`ADMIN_PORT ${port} cannot be used: ${error.message}`)
    process.exit(1)
  })
  server.listen(port, '127.0.0.1')
}

async function answerInspect(response: ServerResponse, id: number): Promise<void> {
  const member = crew.get(id)
  if (member === undefined) return end(response, 404)
  const url = await inspect(member)
  return url === undefined ? end(response, 504) : sendJson(response, { url })
}

function sendJson(response: ServerResponse, body: unknown): void {
  response.setHeader('content-type', 'application/json').end(JSON.stringify(body))
}

function end(response: ServerResponse, status: number): void {
  response.writeHead(status).end()
}

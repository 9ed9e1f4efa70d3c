/** The admin interface: HTTP for those who run the cluster, on loopback only. Given; what its routes do is yours. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'

export interface AdminRequest {
  /** What stood in place of `:id` in the path; NaN where that is no number, or where the route has none. */
  readonly id: number
  /** The request's JSON value; undefined where it has none, or where it is malformed. */
  readonly body: unknown
}

export interface AdminReply {
  readonly status: number
  /** Sent as JSON. */
  readonly body?: unknown
}

export type AdminRoute = (request: AdminRequest) => AdminReply | Promise<AdminReply>

/** By method and path, such as `POST /workers/:id/retire`. */
export type AdminRoutes = Readonly<Record<string, AdminRoute>>

/** More than any request to an admin interface needs. */
const bodyLimitBytes = 16_384

/**
 * Serves these routes on 127.0.0.1. A primary that listens by itself takes no port from its workers, as long as theirs
 * is another one.
 */
export function serveAdmin(port: number, routes: AdminRoutes): Server {
  const server = createServer((request, response) => {
    void answer(routes, request, response)
  })
  server.on('error', (error) => {
    console.error(`no admin interface on port ${port}: ${error.message}`)
    process.exit(1)
  })
  return server.listen(port, '127.0.0.1')
}

/** Never rejects: whatever a request does, the primary and its workers go on. */
async function answer(
  routes: AdminRoutes,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    const { path, id } = withoutId(request.url ?? '/')
    const route = routes[`${request.method} ${path}`]
    if (route === undefined) return reply(response, { status: 404 })
    const body = await readJson(request)
    return reply(response, await route({ id, body }))
  } catch (error) {
    console.error(error)
    return reply(response, { status: 500 })
  }
}

/** `/workers/7/retire` is `/workers/:id/retire`, with 7. */
function withoutId(url: string): { readonly path: string; readonly id: number } {
  const [path = '/'] = url.split('?')
  const [, before, id, after] = /^(\/workers\/)(\w+)(\/\w+)$/.exec(path) ?? []
  if (id === undefined) return { path, id: NaN }
  return { path: `${before}:id${after}`, id: /^\d+$/.test(id) ? Number(id) : NaN }
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of request as AsyncIterable<Buffer>) {
    bytes += piece.length
    if (bytes > bodyLimitBytes) return undefined
    pieces.push(piece)
  }
  try {
    return JSON.parse(Buffer.concat(pieces).toString('utf8'))
  } catch {
    return undefined
  }
}

function reply(response: ServerResponse, { status, body }: AdminReply): void {
  response.statusCode = status
  if (body === undefined) response.end()
  else response.setHeader('content-type', 'application/json').end(JSON.stringify(body))
}

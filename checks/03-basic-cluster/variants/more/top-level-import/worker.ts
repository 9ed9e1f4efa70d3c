/** The worker of `top-level-import.ts`: a small router. */

import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { renderHandbook } from '#handbook'
import { NO_PORT, port } from './agreement.ts'

type Handle = (request: IncomingMessage & { query: URLSearchParams }, response: ServerResponse) => void

export function run(): void {
  const app = new Router()
    .get('/', (_request, response) => {
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ pid: process.pid, startedBy: process.env['STARTED_BY'] }))
    })
    .get('/render', ({ query }, response) => {
      response.setHeader('content-type', 'text/html; charset=utf-8')
      response.end(renderHandbook(query.get('visitor') ?? 'anonymous'))
    })
  console.log('worker', process.pid, 'begins')
  createServer(app.listener)
    .on('error', () => process.exit(NO_PORT))
    .listen(port, '127.0.0.1')
}

class Router {
  readonly #routes: { readonly method: string; readonly path: string; readonly handle: Handle }[] = []

  get(path: string, handle: Handle): this {
    this.#routes.push({ method: 'GET', path, handle })
    return this
  }

  readonly listener: RequestListener = (request, response) => {
    const [path, search] = (request.url ?? '').split('?')
    const here = this.#routes.filter((route) => route.path === path)
    const route = here.find(({ method }) => method === request.method)
    if (route) return route.handle(Object.assign(request, { query: new URLSearchParams(search) }), response)
    response.statusCode = here.length > 0 ? 405 : 404
    response.end()
  }
}

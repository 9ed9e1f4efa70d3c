// right: a router with middleware of its own, as frameworks have it

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { countWords, renderHandbook } from '#handbook'

interface Context {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly path: string
  readonly query: URLSearchParams
}

type Next = () => Promise<void>
type Middleware = (context: Context, next: Next) => Promise<void> | void

function app() {
  const stack: Middleware[] = []
  const known = new Set<string>()
  const api = {
    use(middleware: Middleware) {
      stack.push(middleware)
      return api
    },
    get(path: string, handler: Middleware) {
      known.add(path)
      return api.use((context, next) => {
        const asked = context.path === path && context.request.method === 'GET'
        return asked ? handler(context, next) : next()
      })
    },
    handle(request: IncomingMessage, response: ServerResponse): void {
      const [path = '', ...search] = (request.url ?? '').split('?')
      const context = { request, response, path, query: new URLSearchParams(search.join('?')) }
      const run = async (index: number): Promise<void> => {
        const middleware = stack[index]
        if (middleware !== undefined) return middleware(context, () => run(index + 1))
        response.writeHead(known.has(path) ? 405 : 404).end()
      }
      run(0).catch((error: unknown) => {
        console.error(error)
        if (!response.headersSent) response.writeHead(500)
        response.end()
      })
    },
  }
  return api
}

const delay = monitorEventLoopDelay({ resolution: 10 })
delay.enable()
let before = performance.eventLoopUtilization()

const service = app()
  .use(async ({ request, response }, next) => {
    const begun = performance.now()
    await next()
    if (response.statusCode >= 400) {
      console.log(request.method, request.url, response.statusCode, Math.round(performance.now() - begun))
    }
  })
  .get('/', ({ response }) => json(response, { pid: process.pid, uptimeMs: process.uptime() * 1000 }))
  .get('/render', ({ query, response }) => {
    response.setHeader('content-type', 'text/html; charset=utf-8')
    response.end(renderHandbook(query.get('visitor') ?? 'guest'))
  })
  .get('/report', async ({ response }) => {
    const channel = new MessageChannel()
    let words = 0
    for (let renders = 0; renders < 40; renders += 1) {
      words += countWords(renderHandbook('report'))
      await new Promise((resolve) => {
        channel.port1.addEventListener('message', resolve, { once: true })
        channel.port1.start()
        channel.port2.postMessage(renders)
      })
      await new Promise((resolve) => setImmediate(resolve))
    }
    channel.port1.close()
    json(response, { renders: 40, words })
  })
  .get('/lag', ({ response }) => {
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, before)
    before = now
    const [p99Ms, maxMs] = [delay.percentile(99) / 1e6, delay.max / 1e6]
    delay.reset()
    json(response, { p99Ms, maxMs, utilization })
  })

createServer(service.handle).listen(Number(process.env.PORT ?? 8000), '0.0.0.0')

function json(response: ServerResponse, body: object): void {
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify(body))
}

// right: one report at a time, each with two renders a turn; what waits is the next report and not the visitor

import { createServer, type RequestListener } from 'node:http'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { setTimeout as wait } from 'node:timers/promises'
import { countWords, renderHandbook } from '#handbook'

let queue: Promise<unknown> = Promise.resolve()

const delay = monitorEventLoopDelay({ resolution: 8 })
delay.enable()
let idleBefore = performance.eventLoopUtilization()

const listener: RequestListener = async (request, response) => {
  const target = request.url ?? '/'
  const end = target.includes('?') ? target.indexOf('?') : target.length
  const body = await answerTo(
    target.slice(0, end),
    request.method ?? '',
    new URLSearchParams(target.slice(end)),
  )
  if (typeof body === 'number') response.writeHead(body).end()
  else if (typeof body === 'string') response.setHeader('content-type', 'text/html; charset=utf-8').end(body)
  else response.setHeader('content-type', 'application/json').end(JSON.stringify(body))
}

createServer(listener).listen(process.env.PORT ? Number(process.env.PORT) : 8000, 'localhost')

/** A status, a page, or an object. */
async function answerTo(
  path: string,
  method: string,
  query: URLSearchParams,
): Promise<number | string | object> {
  const get = method === 'GET'
  if (path === '/') return get ? { uptimeMs: Math.ceil(performance.now()), pid: process.pid } : 405
  if (path === '/render') return get ? renderHandbook(query.get('visitor') ?? '') : 405
  if (path === '/report') return get ? inTurn(report) : 405
  if (path === '/lag') return get ? lag() : 405
  return 404
}

function inTurn<Result>(job: () => Promise<Result>): Promise<Result> {
  const done = queue.then(job)
  queue = done.catch(() => {})
  return done
}

async function report(): Promise<object> {
  let words = 0
  for (let renders = 0; renders < 40; renders += 2) {
    words += countWords(renderHandbook('report')) + countWords(renderHandbook('report'))
    await wait(1)
  }
  return { renders: 40, words }
}

function lag(): object {
  const { utilization } = performance.eventLoopUtilization(idleBefore)
  idleBefore = performance.eventLoopUtilization()
  const [p99Ms = 0, maxMs = 0] = [delay.percentile(99), delay.max].map((nanoseconds) => nanoseconds / 1e6)
  delay.reset()
  return { p99Ms, maxMs, utilization: Number.isNaN(utilization) ? 0 : utilization }
}

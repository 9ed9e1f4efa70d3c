// caught by: unknown paths and wrong methods are refused, and nothing ends
// A Host with a space in it makes no URL.

import http from 'node:http'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { countWords, renderHandbook } from '#handbook'

const { PORT = '8000' } = process.env

const delay = monitorEventLoopDelay({ resolution: 10 })
delay.enable()
let reading = performance.eventLoopUtilization()

const server = http.createServer((request, response) => {
  // `new URL('//', base)` throws: several slashes name nothing here, and a proxy's absolute form neither.
  if (!request.url || !/^\/(?!\/)/.test(request.url)) return void response.writeHead(404).end()

  const url = new URL(request.url, `http://${request.headers.host ?? `127.0.0.1:${PORT}`}`)
  switch (request.url.split('?', 1)[0]) {
    case '/':
      return get(() => json({ pid: process.pid, uptimeMs: Math.round(performance.now()) }))
    case '/render':
      return get(() => {
        response.setHeader('content-type', 'text/html; charset=utf-8')
        response.end(renderHandbook(url.searchParams.get('visitor') ?? 'stranger'))
      })
    case '/report':
      return get(() => void report().then(json))
    case '/lag':
      return get(() => json(lag()))
    default:
      return void response.writeHead(404).end()
  }

  function get(answer: () => void): void {
    if (request.method === 'GET') answer()
    else response.writeHead(405, { allow: 'GET' }).end()
  }
  function json(body: object): void {
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(body))
  }
})
server.listen(Number(PORT))

async function report(): Promise<object> {
  const report = { renders: 0, words: 0 }
  while (report.renders < 40) {
    await nextTurn()
    report.words += countWords(renderHandbook('report'))
    report.renders++
  }
  return report
}

function lag(): object {
  const before = reading
  reading = performance.eventLoopUtilization()
  const answer = {
    p99Ms: delay.percentile(99) / 1e6,
    maxMs: delay.max / 1e6,
    utilization: performance.eventLoopUtilization(reading, before).utilization || 0,
  }
  delay.reset()
  return answer
}

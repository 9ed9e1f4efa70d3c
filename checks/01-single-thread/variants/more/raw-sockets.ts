// right: node:net and a small parser of its own in place of node:http

import { createServer, type Socket } from 'node:net'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { setImmediate as turn } from 'node:timers/promises'
import { countWords, renderHandbook } from '#handbook'

const names: Readonly<Record<number, string>> = {
  200: 'OK',
  400: 'Bad Request',
  404: 'Not Found',
  405: 'Method Not Allowed',
}
const paths = ['/', '/render', '/report', '/lag']

const histogram = monitorEventLoopDelay({ resolution: 12 })
histogram.enable()
let seen = performance.eventLoopUtilization()

createServer((socket) => {
  socket.on('error', () => socket.destroy())
  let text = ''
  let turnOf = Promise.resolve()
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk
    for (;;) {
      const end = text.indexOf('\r\n\r\n')
      if (end < 0) return
      const [line = '', ...headers] = text.slice(0, end).split('\r\n')
      const length = Number(headers.find((header) => /^content-length:/i.test(header))?.split(':')[1] ?? 0)
      if (text.length < end + 4 + length) return
      text = text.slice(end + 4 + length)
      const close = headers.some((header) => /^connection: *close/i.test(header))
      turnOf = turnOf.then(() => answer(socket, line, close))
    }
  })
}).listen(Number(process.env.PORT || 8000), '127.0.0.1')

async function answer(socket: Socket, line: string, close: boolean): Promise<void> {
  const [method = '', target = ''] = line.split(' ')
  const [path = '', query = ''] = target.split(/\?(.*)/s)
  if (!paths.includes(path)) return send(socket, close, 404, '')
  if (method !== 'GET') return send(socket, close, 405, '')
  if (path === '/render') {
    const visitor = new URLSearchParams(query).get('visitor')
    if (visitor === null) return send(socket, close, 400, 'who are you?')
    return send(socket, close, 200, renderHandbook(visitor), 'text/html;charset=UTF-8')
  }
  const body =
    path === '/report'
      ? await report()
      : path === '/lag'
        ? lag()
        : { pid: process.pid, uptimeMs: performance.now() }
  send(socket, close, 200, JSON.stringify(body), 'application/json')
}

function send(socket: Socket, close: boolean, status: number, body: string, type = 'text/plain'): void {
  const bytes = Buffer.from(body)
  const head = [
    `HTTP/1.1 ${status} ${names[status]}`,
    `Content-Type: ${type}`,
    `Content-Length: ${bytes.length}`,
    `Connection: ${close ? 'close' : 'keep-alive'}`,
  ]
  socket.write(`${head.join('\r\n')}\r\n\r\n`)
  socket.write(bytes)
  if (close) socket.end()
}

async function report(): Promise<object> {
  let words = 0
  for (const _ of Array(40).keys()) {
    await turn()
    words += countWords(renderHandbook('report'))
  }
  return { renders: 40, words }
}

function lag(): object {
  const now = performance.eventLoopUtilization()
  const { utilization } = performance.eventLoopUtilization(now, seen)
  seen = now
  const [p99Ms, maxMs] = [histogram.percentile(99) / 1e6, histogram.max / 1e6]
  histogram.reset()
  return { p99Ms, maxMs, utilization: Number.isFinite(utilization) ? utilization : 0 }
}

// right: node:net and a small parser of its own in place of node:http

import cluster from 'node:cluster'
import { createServer } from 'node:net'
import { availableParallelism } from 'node:os'
import { renderHandbook } from '#handbook'

const names: Readonly<Record<number, string>> = { 200: 'OK', 404: 'Not Found', 405: 'Method Not Allowed' }

if (cluster.isPrimary) {
  let missing = Number(process.env.WORKERS ?? availableParallelism())
  while (missing-- > 0) cluster.fork()
} else {
  let hits = 0
  const answer = (line: string): [number, string, string] => {
    const [method = '', target = ''] = line.split(' ')
    const [path = '', query = ''] = target.split(/\?(.*)/s)
    if (path !== '/' && path !== '/render') return [404, '', 'text/plain']
    if (method !== 'GET') return [405, '', 'text/plain']
    if (path === '/render') {
      return [
        200,
        renderHandbook(new URLSearchParams(query).get('visitor') ?? ''),
        'text/html; charset=utf-8',
      ]
    }
    hits += 1
    const { pid, ppid } = process
    return [
      200,
      JSON.stringify({ role: 'worker', pid, ppid, worker: cluster.worker?.id, hits }),
      'application/json',
    ]
  }
  createServer((socket) => {
    let text = ''
    socket.on('error', () => socket.destroy())
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      text += chunk
      for (let end; (end = text.indexOf('\r\n\r\n')) >= 0;) {
        const [line = '', ...headers] = text.slice(0, end).split('\r\n')
        const length = Number(headers.find((header) => /^content-length:/i.test(header))?.split(':')[1] ?? 0)
        if (text.length < end + 4 + length) return
        text = text.slice(end + 4 + length)
        const close = headers.some((header) => /^connection: *close/i.test(header))
        const [status, body, type] = answer(line)
        const bytes = Buffer.from(body)
        const head = [
          `HTTP/1.1 ${status} ${names[status]}`,
          `Content-Type: ${type}`,
          `Content-Length: ${bytes.length}`,
          ...(close ? ['Connection: close'] : []),
        ]
        socket.write(`${head.join('\r\n')}\r\n\r\n`)
        socket.write(bytes)
        if (close) socket.end()
      }
    })
  }).listen(Number(process.env.PORT || 8000))
}

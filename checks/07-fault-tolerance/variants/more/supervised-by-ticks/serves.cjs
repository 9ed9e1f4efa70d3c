// @ts-nocheck: a program in plain JavaScript
'use strict'

const http = require('node:http')
const { once } = require('node:events')
const { renderHandbook } = require('#handbook')

if (process.env.CRASH_ON_BOOT === '1') throw new Error('asked not to boot')
process.on('SIGTERM', () => {})
process.on('SIGINT', () => {})

/** Requests that have begun and whose answer is not out. */
let open = 0
/** Connections on which the first request has not come yet. */
const expectant = new Set()
let leaving = false

const server = http.createServer(async (request, response) => {
  open += 1
  expectant.delete(request.socket)
  response.on('close', () => {
    open -= 1
    finish()
  })
  if (leaving) response.shouldKeepAlive = false
  const { pathname, query } = split(request.url)
  const known = ['/', '/render', '/slow', '/crash'].includes(pathname)
  if (!known) return response.writeHead(404).end()
  if (!['GET', 'HEAD'].includes(request.method)) return response.writeHead(405).end()
  if (pathname === '/') return response.end(JSON.stringify({ pid: process.pid, open }))
  if (pathname === '/render') {
    response.setHeader('Content-Type', 'text/html; charset=utf-8')
    return response.end(renderHandbook(query.get('visitor') || 'you'))
  }
  if (pathname === '/slow') {
    const wait = AbortSignal.timeout(Math.min(Number(query.get('ms')) || 0, 2 ** 31 - 1))
    const gone = new AbortController()
    response.on('close', () => gone.abort())
    if (!wait.aborted) await Promise.race([once(wait, 'abort'), once(gone.signal, 'abort')])
    if (leaving) response.shouldKeepAlive = false
    return response.end('slow')
  }
  setTimeout(() => {
    throw new RangeError('crash')
  }, 10)
  // Answered by nobody: the connection goes with the worker.
  return request.socket.destroy()
})
server.keepAliveTimeout = 1500
server.on('connection', (socket) => {
  expectant.add(socket)
  socket.on('close', () => {
    expectant.delete(socket)
    finish()
  })
})

function split(url) {
  const mark = url.indexOf('?')
  if (mark < 0) return { pathname: url, query: new URLSearchParams() }
  return { pathname: url.slice(0, mark), query: new URLSearchParams(url.slice(mark)) }
}

let crashed = false
let reported = false
function finish() {
  if (!leaving || open > 0 || expectant.size > 0 || reported) return
  reported = true
  // Last words of the log.
  setTimeout(() => {
    if (crashed) process.exit(12)
    process.send('done', () => {})
  }, 50)
}

process.on('message', (message) => {
  if (message !== 'leave' || leaving) return
  leaving = true
  server.close()
  // Whoever has opened a connection and asks nothing has had the time to.
  setTimeout(() => {
    expectant.clear()
    finish()
  }, 900)
  finish()
})
process.on('disconnect', () => process.exit(crashed ? 12 : 0))
process.on('uncaughtException', (error, origin) => {
  console.error(origin, error)
  if (!server.listening && !leaving) process.exit(12)
  crashed = true
  process.send('crashed', () => {})
})
server.on('error', () => process.exit(71))
server.listen(Number(process.env.PORT || 8000))

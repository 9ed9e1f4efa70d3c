// right: CommonJS, callbacks, and setImmediate without promises
'use strict'

const http = require('node:http')
const { monitorEventLoopDelay, performance } = require('node:perf_hooks')
const { countWords, renderHandbook } = require('#handbook')

const started = process.hrtime.bigint()
const delay = monitorEventLoopDelay({ resolution: 10 })
delay.enable()
let seen = performance.eventLoopUtilization()

/** @type {{ [path: string]: (request: http.IncomingMessage, response: http.ServerResponse) => void }} */
const routes = Object.assign(Object.create(null), {
  '/': home,
  '/render': render,
  '/report': report,
  '/lag': lag,
})

const server = http.createServer()
server.on('request', function (request, response) {
  const route = routes[String(request.url).replace(/\?.*$/s, '')]
  if (!route) {
    response.statusCode = 404
    return response.end('Not Found\n')
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.statusCode = 405
    return response.end('Method Not Allowed\n')
  }
  return route(request, response)
})
server.listen(process.env.PORT || 8000)

/** @param {http.IncomingMessage} _request @param {http.ServerResponse} response */
function home(_request, response) {
  send(response, { pid: process.pid, uptimeMs: Number((process.hrtime.bigint() - started) / 1000000n) })
}

/** @param {http.IncomingMessage} request @param {http.ServerResponse} response */
function render(request, response) {
  const query = new URLSearchParams(String(request.url).split('?')[1])
  response.setHeader('Content-Type', 'text/html; charset=utf-8')
  response.end(renderHandbook(query.get('visitor') || ''))
}

/** @param {http.IncomingMessage} _request @param {http.ServerResponse} response */
function report(_request, response) {
  let left = 40
  let words = 0
  setImmediate(function next() {
    words += countWords(renderHandbook('report'))
    left -= 1
    if (left > 0) setImmediate(next)
    else send(response, { renders: 40, words: words })
  })
}

/** @param {http.IncomingMessage} _request @param {http.ServerResponse} response */
function lag(_request, response) {
  const now = performance.eventLoopUtilization()
  const body = {
    p99Ms: delay.percentile(99) / 1e6,
    maxMs: delay.max / 1e6,
    utilization: performance.eventLoopUtilization(now, seen).utilization,
  }
  seen = now
  delay.reset()
  send(response, body)
}

/** @param {http.ServerResponse} response @param {object} body */
function send(response, body) {
  response.setHeader('Content-Type', 'application/json')
  response.end(JSON.stringify(body))
}

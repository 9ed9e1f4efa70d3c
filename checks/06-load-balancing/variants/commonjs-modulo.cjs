// right: CommonJS; a user's place is a remainder by the places, or the next place that is not empty; pipeline()

/** @type {import('node:cluster').Cluster} */
// @ts-expect-error the types know it as an ES module only
const cluster = require('node:cluster')
const crypto = require('node:crypto')
const http = require('node:http')
const os = require('node:os')
const { pipeline } = require('node:stream')
const { renderHandbook } = require('#handbook')

if (cluster.isMaster) main()
else worker()

function main() {
  const count = Number(process.env.WORKERS) || os.availableParallelism()
  const port = Number(process.env.PORT) || 8000
  /** @type {{ worker: any, port: number, flights: Set<object>, since: Date }[]} */
  const places = []
  let opened = false

  /** @param {number} index */
  const populate = (index) => {
    const worker = cluster.fork()
    const place = { worker, port: 0, flights: new Set(), since: new Date() }
    places[index] = place
    worker.on('message', (/** @type {any} */ message) => {
      place.port = message.port
      if (opened || places.length < count || places.some(({ port }) => port === 0)) return
      opened = true
      front.listen(port)
    })
    worker.on('exit', () => {
      place.port = 0
      populate(index)
    })
  }

  const living = () => places.filter(({ port }) => port !== 0)

  /** @param {http.IncomingMessage} request @param {object} [except] */
  const pick = (request, except) => {
    const user = request.headers['x-user']
    if (user === undefined) {
      const all = living().filter((place) => place !== except)
      return all.sort((a, b) => a.flights.size - b.flights.size)[0]
    }
    const start = Number(
      BigInt('0x' + crypto.createHash('sha256').update(String(user)).digest('hex')) % BigInt(count),
    )
    for (let step = 0; step < count; step++) {
      const place = places[(start + step) % count]
      if (place !== undefined && place.port !== 0 && place !== except) return place
    }
    return undefined
  }

  const lonely = new Set([
    'keep-alive',
    'proxy-connection',
    'te',
    'transfer-encoding',
    'upgrade',
    'connection',
    'trailer',
  ])

  /** @param {http.IncomingMessage} message @returns {[string, string][]} */
  const passable = ({ rawHeaders, headers }) => {
    const named = (headers.connection || '')
      .toLowerCase()
      .split(',')
      .map((name) => name.trim())
    /** @type {[string, string][]} */
    const kept = []
    rawHeaders.forEach((name, i) => {
      const small = name.toLowerCase()
      if (i % 2 === 0 && !lonely.has(small) && !named.includes(small))
        kept.push([name, rawHeaders[i + 1] ?? ''])
    })
    return kept
  }

  /** @param {http.IncomingMessage} request @param {http.ServerResponse} response @param {object} [failed] */
  const handle = (request, response, failed) => {
    const place = pick(request, failed)
    if (place === undefined) {
      response.writeHead(503, { 'Retry-After': '1' })
      return response.end()
    }
    const withBody = request.headers['transfer-encoding'] || Number(request.headers['content-length'])
    /** @type {Record<string, string | string[]>} */
    const headers = {}
    for (const [name, value] of passable(request)) {
      const before = headers[name.toLowerCase()]
      headers[name.toLowerCase()] = before === undefined ? value : [before, value].flat()
    }
    const address = String(request.socket.remoteAddress).replace(/^.*:/, '')
    headers['x-forwarded-for'] = [headers['x-forwarded-for'] ?? [], address].flat().join(',')
    const flight = {}
    place.flights.add(flight)
    const upstream = http.request({
      port: place.port,
      host: '127.0.0.1',
      method: request.method,
      path: request.url,
      headers,
      agent: false,
    })
    let began = false
    let over = false
    const land = () => {
      over = true
      place.flights.delete(flight)
      response.removeListener('close', abandon)
    }
    const abandon = () => {
      land()
      upstream.destroy()
    }
    response.on('close', abandon)
    upstream.on('response', (answer) => {
      began = true
      for (const [name, value] of passable(answer)) response.appendHeader(name, value)
      response.statusCode = answer.statusCode ?? 502
      response.flushHeaders()
      pipeline(answer, response, () => {})
    })
    upstream.on('error', () => {
      if (over || began) return
      land()
      const again =
        failed === undefined && !withBody && request.method !== 'POST' && request.method !== 'PATCH'
      if (again) return handle(request, response, place)
      request.unpipe(upstream)
      request.resume()
      response.statusCode = 502
      response.end('Bad gateway')
    })
    if (withBody) request.pipe(upstream)
    else upstream.end()
  }

  const front = http.createServer((request, response) => handle(request, response))
  front.on('listening', () => process.stdout.write(`ready: ${count} workers on port ${port}\n`))
  for (let index = 0; index < count; index++) populate(index)

  http
    .createServer((request, response) => {
      if (request.url !== '/workers') response.statusCode = 404
      const list = places.map(({ worker, port, since }) => ({
        id: worker.id,
        pid: worker.process.pid,
        state: port === 0 ? 'starting' : 'listening',
        startedAt: since.toISOString(),
      }))
      response.end(JSON.stringify(list))
    })
    .listen(Number(process.env.ADMIN_PORT) || 9000, '127.0.0.1')
}

function worker() {
  /** @type {Record<string, (request: http.IncomingMessage, response: http.ServerResponse, query: URLSearchParams) => unknown>} */
  const gets = {
    '/': ({ headers }, response) =>
      response.end(
        JSON.stringify({ pid: process.pid, worker: cluster.worker?.id, user: headers['x-user'] || null }),
      ),
    '/render': (_, response, query) => {
      response.setHeader('Content-Type', 'text/html; charset=utf-8')
      response.end(renderHandbook(query.get('visitor') || 'nobody'))
    },
    '/report': (_, response) => {
      const begun = process.hrtime.bigint()
      while (process.hrtime.bigint() - begun < 300_000_000n);
      response.end('done')
    },
    '/slow': (_, response, query) => setTimeout(() => response.end('done'), Number(query.get('ms'))),
  }
  const server = http.createServer((request, response) => {
    const [path = '', query] = (request.url || '').split('?')
    if (path === '/echo' && request.method === 'POST') return pipeline(request, response, () => {})
    const known = Object.hasOwn(gets, path)
    if (!known && path !== '/echo') return response.writeHead(404).end()
    if (!known || (request.method !== 'GET' && request.method !== 'HEAD'))
      return response.writeHead(405).end()
    return gets[path]?.(request, response, new URLSearchParams(query))
  })
  server.listen({ port: 0, host: '127.0.0.1', exclusive: true })
  server.on('listening', () => process.send?.({ port: /** @type {any} */ (server.address()).port }))
}

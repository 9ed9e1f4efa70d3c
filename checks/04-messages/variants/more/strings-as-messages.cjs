// right: CommonJS; every message is one string, a word and JSON; the worker that got a PUT counts the answers itself

/** The types know the default export of an ES module only. @type {any} */
const required = require('node:cluster')
/** @type {import('node:cluster').Cluster} */
const cluster = required
const http = require('node:http')
const os = require('node:os')
const { renderHandbook } = require('#handbook')

const port = Number(process.env.PORT || 8000)
const silent = () => {}

/** @param {unknown} message @returns {[word: string, value: any]} */
function read(message) {
  const [, word, json] = (typeof message === 'string' && /^(\w+) (.*)$/s.exec(message)) || []
  try {
    return [String(word), JSON.parse(String(json))]
  } catch {
    return ['', undefined]
  }
}

/** @param {string} word @param {unknown} value */
const write = (word, value) => `${word} ${JSON.stringify(value)}`

function primary(/** @type {number} */ wanted) {
  /** @type {Record<string, number>} */
  const hits = Object.create(null)
  const listening = new Set()
  /** Those that have asked for the banner. */
  const told = new Set()
  let banner = { version: 0, text: '' }
  let ready = false

  const tell = (/** @type {number} */ id, /** @type {string} */ message) => {
    const worker = cluster.workers?.[id]
    if (worker && !worker.isDead()) worker.send(message, silent)
  }
  const tellAll = (/** @type {string} */ message) => told.forEach((id) => tell(id, message))

  cluster.on('message', (worker, message) => {
    const [word, value] = read(message)
    if (word === 'hits' && Number.isInteger(value) && value >= 0) hits[worker.id] = value
    if (word === 'hello' && !worker.isDead()) {
      told.add(worker.id)
      tell(worker.id, write('banner', { ...banner, live: [...told] }))
      tellAll(write('live', [...told]))
    }
    if (word === 'uses' && Number.isInteger(value))
      tellAll(write('uses', { worker: worker.id, version: value }))
    if (word === 'stats' && Number.isInteger(value)) {
      const total = Object.values(hits).reduce((sum, count) => sum + count, 0)
      tell(worker.id, write('stats', { id: value, stats: { total, perWorker: hits } }))
    }
    if (word === 'put' && Number.isInteger(value?.id) && typeof value.text === 'string') {
      banner = { version: banner.version + 1, text: value.text }
      tell(worker.id, write('version', { id: value.id, version: banner.version }))
      tellAll(write('banner', { ...banner, live: [...told] }))
    }
  })
  cluster.on('listening', (worker) => {
    listening.add(worker.id)
    if (ready || listening.size < wanted) return
    ready = true
    console.log(`ready: ${wanted} workers on port ${port}`)
  })
  cluster.on('exit', (worker, code) => {
    if (code === 33) {
      console.error(`port ${port} is taken`)
      process.exit(1)
    }
    told.delete(worker.id)
    tellAll(write('live', [...told]))
    setTimeout(() => cluster.fork(), listening.delete(worker.id) ? 0 : 1000)
  })
  for (let forked = 0; forked < wanted; forked++) cluster.fork()
}

function worker() {
  let hits = 0
  let reported = 0
  let banner = ''
  let asked = 0
  let started = false
  /** @type {number[]} */
  let live = []
  /** The version that each worker uses. @type {Map<number, number>} */
  const uses = new Map()
  /** @type {Map<number, (value: any) => void>} */
  const answers = new Map()
  /** @type {Set<() => void>} */
  const watchers = new Set()

  const tell = (/** @type {string} */ word, /** @type {unknown} */ value) =>
    process.send?.(write(word, value), undefined, undefined, silent)
  /** @param {string} word @param {(id: number) => unknown} value @returns {Promise<any>} */
  const ask = (word, value) =>
    new Promise((resolve) => {
      const id = ++asked
      const finish = (/** @type {unknown} */ answer) => {
        answers.delete(id)
        clearTimeout(timer)
        resolve(answer)
      }
      const timer = setTimeout(finish, 2000, undefined)
      answers.set(id, finish)
      tell(word, value(id))
    })
  /** @param {number} version @param {number} ms @returns {Promise<boolean>} */
  const everybodyUses = (version, ms) =>
    new Promise((resolve) => {
      const look = () => {
        if (live.some((id) => (uses.get(id) ?? -1) < version)) return
        end(true)
      }
      const end = (/** @type {boolean} */ all) => {
        clearTimeout(timer)
        watchers.delete(look)
        resolve(all)
      }
      const timer = setTimeout(end, ms, false)
      watchers.add(look)
      look()
    })

  process.on('message', (message) => {
    const [word, value] = read(message)
    if (Array.isArray(value?.live)) live = value.live
    if (word === 'live' && Array.isArray(value)) live = value
    if (word === 'banner' && Number.isInteger(value?.version) && typeof value.text === 'string') {
      banner = value.text
      tell('uses', value.version)
      if (!started) server.listen(port)
      started = true
    }
    if (word === 'uses' && Number.isInteger(value?.worker)) uses.set(value.worker, value.version)
    if (word === 'stats' || word === 'version') answers.get(value?.id)?.(value)
    for (const look of watchers) look()
  })

  setInterval(() => {
    if (hits > reported) tell('hits', hits)
    reported = hits
  }, 100)

  const server = http.createServer((request, response) => {
    const [path = '', query = ''] = String(request.url).split('?')
    const end = (/** @type {number} */ status, /** @type {string} */ type = '', body = '') =>
      response.writeHead(status, type ? { 'content-type': type } : {}).end(body)
    if (path === '/banner' && request.method === 'PUT') return put(request, end)
    if (!['/', '/render', '/stats', '/banner'].includes(path)) return end(404)
    if (request.method !== 'GET') return end(405)
    if (path === '/') {
      hits++
      return end(200, 'application/json', JSON.stringify({ pid: process.pid }))
    }
    if (path === '/banner') return end(200, 'text/plain; charset=utf-8', banner)
    if (path === '/render') {
      const visitor = new URLSearchParams(query).get('visitor') ?? ''
      return end(200, 'text/html; charset=utf-8', renderHandbook(visitor))
    }
    tell('hits', hits)
    return ask('stats', (id) => id).then((answer) =>
      end(200, 'application/json', JSON.stringify(answer?.stats)),
    )
  })

  /** @param {http.IncomingMessage} request @param {(status: number) => unknown} end */
  function put(request, end) {
    /** @type {Buffer[]} */
    const chunks = []
    request.on('data', (chunk) => chunks.length < 2000 && chunks.push(chunk))
    request.on('end', async () => {
      const body = Buffer.concat(chunks)
      if (body.length > 1024) return end(413)
      const begun = Date.now()
      const answer = await ask('put', (id) => ({ id, text: body.toString() }))
      if (!answer) return end(503)
      return end((await everybodyUses(answer.version, begun + 2000 - Date.now())) ? 204 : 503)
    })
  }

  server.on('error', () => process.exit(33))
  tell('hello', null)
}

const text = process.env.WORKERS || String(os.availableParallelism())
if (!cluster.isPrimary) worker()
else if (/^\d+$/.test(text) && Number(text) >= 1 && Number(text) <= 64) primary(Number(text))
else {
  console.error(`WORKERS must be from 1 to 64, not ${text}`)
  process.exitCode = 1
}

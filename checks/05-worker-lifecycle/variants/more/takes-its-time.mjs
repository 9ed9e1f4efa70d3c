// right: as slow as it may be: slow starts, one after another, orders that wait for each other, and workers that stay for 8 s after their last request; a log of its own beside the events
// @ts-nocheck: a program in plain JavaScript

import cluster from 'node:cluster'
import { EventEmitter, once } from 'node:events'
import http from 'node:http'
import { availableParallelism } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const port = Number(process.env.PORT || 8000)
const size = process.env.WORKERS ? Number(process.env.WORKERS) : availableParallelism()
if (!/^[1-9]\d?$/.test(String(process.env.WORKERS || size)) || size > 64) {
  console.error('WORKERS has to be a whole number from 1 to 64, and is', process.env.WORKERS)
  process.exit(1)
}

cluster.setupPrimary({
  exec: fileURLToPath(new URL('./takes-its-time/worker.mjs', import.meta.url)),
  args: ['--port', String(port)],
  serialization: 'advanced',
})

/** Newest last. A worker is in it from its fork to its exit. */
const here = new Map()
const changes = new EventEmitter().setMaxListeners(0)
let wanted = size
let most = size
let ready = false
let ending = false

const log = (text) => process.stdout.write(`${new Date().toISOString()} [primary] ${text}\n`)
const line = (event, worker, rest) =>
  console.log('%j', { event, ...rest, pid: worker.process.pid, worker: worker.id, uptime: process.uptime() })

cluster.on('fork', (worker) => line('fork', worker))
cluster.on('online', (worker) => line('online', worker))
cluster.on('listening', (worker) => {
  line('listening', worker)
  const one = here.get(worker.id)
  if (one.state === 'starting') one.state = 'listening'
  one.listened = true
  if (!ready && count('listening') >= size) {
    ready = true
    console.log(`ready: ${size} workers on port ${port}`)
  }
  changes.emit('change')
})
cluster.on('disconnect', (worker) => line('disconnect', worker))
cluster.on('exit', (worker, code, signal) => {
  line('exit', worker, { code, signal })
  const { listened } = here.get(worker.id)
  here.delete(worker.id)
  if (code === 100) {
    console.error(`nothing can listen on port ${port}: it is taken`)
    process.exitCode = 1
    ending = true
    for (const one of here.values()) one.worker.process.kill('SIGKILL')
  }
  if (ending && here.size === 0) process.exit()
  // Who died young may do so again.
  if (!listened && !ending) setTimeout(() => changes.emit('change'), 1000).ref()
  changes.emit(listened ? 'change' : 'young')
})

const count = (...states) => [...here.values()].filter(({ state }) => states.includes(state)).length

/** Resolves at the first change after which it is so. */
async function when(isSo) {
  while (!isSo() && !ending) await once(changes, 'change')
}

function hire() {
  const worker = cluster.fork()
  worker.on('error', (error) => log(`a message got lost: ${error.message}`))
  here.set(worker.id, { worker, state: 'starting', startedAt: new Date().toISOString(), asked: false })
  return worker.id
}

/** Forks what is missing, one after another: the next when the last one listens, or has gone. */
async function fill() {
  for (;;) {
    await when(() => count('starting', 'listening') < wanted && here.size <= Math.max(most, wanted))
    if (ending) return
    const id = hire()
    await when(() => here.get(id)?.state !== 'starting')
  }
}

/** Orders are carried out in their order. */
const orders = []
async function carryOut() {
  for (;;) {
    await when(() => orders.length > 0)
    if (ending) return
    const { retire, scale } = orders.shift()
    if (scale !== undefined) {
      log(`from now on ${scale} are wanted`)
      most = Math.max(wanted, scale)
      wanted = scale
      const surplus = [...here.values()].filter(({ state }) => state !== 'draining').slice(wanted)
      surplus.forEach(goodbye)
      changes.emit('change')
      await Promise.all(surplus.map(({ worker }) => when(() => !here.has(worker.id))))
      most = wanted
      await when(() => count('listening') >= wanted)
    } else {
      const one = here.get(retire)
      if (one === undefined || one.state === 'draining') continue
      // Alone it has to wait for another one, for which there is room.
      if (count('listening') < 2) hire()
      await when(() => count('listening') >= 2 || !here.has(retire))
      log(`${retire} retires`)
      goodbye(one)
      await when(() => !here.has(retire))
      await when(() => count('listening') >= wanted)
    }
  }
}

function goodbye(one) {
  if (one.state === 'draining') return
  const { worker } = one
  if (one.state === 'starting') worker.process.kill('SIGKILL')
  else worker.disconnect()
  one.state = 'draining'
  changes.emit('change')
}

process.on('SIGTERM', async () => {
  if (ending) return
  ending = true
  for (const { worker } of here.values()) worker.process.kill('SIGTERM')
  await sleep(2500)
  for (const { worker } of here.values()) worker.process.kill('SIGKILL')
})

const api = {
  'GET /workers': () => [
    200,
    [...here.values()].map(({ worker: { id, process: child }, state, startedAt }) => {
      return { id, pid: child.pid, state, startedAt, command: child.spawnargs }
    }),
  ],
  'PUT /scale': (_id, text) => {
    let body
    try {
      body = JSON.parse(text)
    } catch (error) {
      return [400, { error: error.message }]
    }
    const scale = body?.workers
    if (![...Array(17).keys()].slice(1).includes(scale)) return [400, { error: 'workers: 1 to 16' }]
    orders.push({ scale })
    changes.emit('change')
    return [202, { waiting: orders.length }]
  },
  'POST /workers/retire': (id) => {
    const one = here.get(id)
    if (one === undefined) return [404, { error: `no worker ${id}` }]
    if (!one.asked) orders.push({ retire: id })
    one.asked = true
    changes.emit('change')
    return [202, { waiting: orders.length }]
  },
}

const admin = http.createServer((request, response) => {
  let text = ''
  request.setEncoding('utf8')
  request.on('data', (piece) => (text += piece))
  request.on('end', () => {
    const [, id] = /^\/workers\/(\d+)\//.exec(request.url) ?? []
    const route =
      api[`${request.method} ${id === undefined ? request.url : request.url.replace(`/${id}`, '')}`]
    const [status, body] = route === undefined ? [404, {}] : route(Number(id), text)
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(JSON.stringify(body, null, 2))
  })
})
admin.listen(Number(process.env.ADMIN_PORT || 9000), '127.0.0.1')

void fill()
void carryOut()

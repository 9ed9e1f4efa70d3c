// right: CommonJS; nothing happens but at ticks of 150 ms, workers are a file of their own, SCHED_NONE, and each is killed as soon as it has said that it is done
// @ts-nocheck: a program in plain JavaScript

'use strict'

const cluster = require('node:cluster')
const http = require('node:http')
const os = require('node:os')
const path = require('node:path')

const { PORT = '8000', ADMIN_PORT = '9000', SHUTDOWN_MS = '5000', WORKERS } = process.env
const number = WORKERS ? Number(WORKERS) : os.availableParallelism()
const limit = Number(SHUTDOWN_MS)

/** What is known of each worker; the listeners only write it down. */
const records = []
let phase = 'up' // up, renewing, ending
let code = 0
let mark = 0 // whoever was started before it is of the last generation
let poor = 0
let quietUntil = 0
let said = false

if (!Number.isInteger(number) || number < 1 || number > 64) {
  console.error('WORKERS has to be from 1 to 64 and is ' + WORKERS)
  process.exit(1)
}

cluster.schedulingPolicy = cluster.SCHED_NONE
cluster.setupPrimary({
  exec: path.join(__dirname, 'supervised-by-ticks', 'serves.cjs'),
  serialization: 'advanced',
})
process.on('SIGTERM', () => (phase = 'ending'))
process.on('SIGINT', () => (phase = 'ending'))
process.on('SIGHUP', renew)

function renew() {
  if (phase !== 'up') return false
  phase = 'renewing'
  mark = records.length
  return true
}

function start() {
  const worker = cluster.fork()
  const record = { worker, born: new Date(), generation: records.length, spare: phase === 'renewing' }
  records.push(record)
  worker.on('error', () => {})
  worker.on('listening', () => (record.up = true))
  worker.on('message', (text) => (record[text] = true))
  worker.on('exit', (status) => {
    record.gone = true
    record.status = status
  })
}

function leave(record, now) {
  if (record.leaveBy !== undefined) return
  record.leaveBy = now + limit
  record.worker.send('leave', () => {})
}

function tick() {
  const now = Date.now()
  const here = records.filter((one) => !one.gone)

  // News of the dead.
  for (const record of records.filter((one) => one.gone && !one.buried)) {
    record.buried = true
    if (record.status === 71) {
      console.error(`port ${PORT} cannot be had`)
      code = 1
      phase = 'ending'
    } else if (record.leaveBy !== undefined || phase === 'ending') {
      continue
    } else if (record.spare && !record.up) {
      console.log(JSON.stringify({ reload: 'failed', pid: record.worker.process.pid }))
      if (phase === 'renewing') phase = 'up'
      mark = 0
    } else if (!record.up) {
      poor += 1
      quietUntil = now + Math.min(2000, 200 * 2 ** poor)
    } else {
      quietUntil = now + 100
    }
  }
  for (const record of here.filter((one) => one.up && !one.counted)) {
    record.counted = true
    poor = 0
  }
  if (poor >= 5 && phase !== 'ending') {
    console.log('too many of them could not even start')
    code = 1
    phase = 'ending'
  }

  // Who has to go, and who has gone too far.
  for (const record of here) {
    if (record.crashed && record.leaveBy === undefined) {
      leave(record, now)
      quietUntil = Math.max(quietUntil, now + 100)
    }
    // One that does not listen yet may not hear a message either.
    if (phase === 'ending' && !record.up) record.worker.process.kill('SIGKILL')
    if (phase === 'ending') leave(record, now)
    if (record.done && !record.crashed) record.worker.process.kill('SIGKILL')
    if (record.leaveBy !== undefined && record.leaveBy <= now) {
      if (!record.done && phase === 'ending') code = 1
      record.worker.process.kill('SIGKILL')
    }
  }
  if (phase === 'ending') return here.length === 0 ? process.exit(code) : undefined

  // How many there are, and how many there should be.
  const staying = here.filter((one) => one.leaveBy === undefined)
  const serving = staying.filter((one) => one.up)
  if (phase === 'renewing') {
    const old = serving.filter((one) => one.generation < mark)
    if (old.length === 0 && here.every((one) => one.generation >= mark)) phase = 'up'
    else if (old.length > 0 && serving.length > number) leave(old[0], now)
    else if (old.length > 0 && staying.length === serving.length) start()
    else if (staying.length < number && now >= quietUntil) start()
  } else if (staying.length < number && (now >= quietUntil || records.length < number)) {
    start()
  }

  if (said || serving.length < number) return
  said = true
  console.log(`ready: ${number} workers on port ${PORT}`)
}

setInterval(tick, 150)

http
  .createServer((request, response) => {
    const { method, url } = request
    if (url === '/reload') return response.writeHead(method !== 'POST' ? 405 : renew() ? 202 : 409).end()
    if (url !== '/workers') return response.writeHead(404).end()
    const list = records.filter((one) => !one.gone)
    response.setHeader('content-type', 'application/json; charset=utf-8')
    response.end(
      JSON.stringify(
        list.map(({ worker, born, up, leaveBy }) => ({
          id: worker.id,
          pid: worker.process.pid,
          state: leaveBy !== undefined ? 'draining' : up ? 'listening' : 'starting',
          startedAt: born.toISOString(),
        })),
      ),
    )
  })
  .listen(Number(ADMIN_PORT), '127.0.0.1')

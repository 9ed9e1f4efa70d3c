// right: the workers are a file of their own, SCHED_NONE shares the socket, and a loop compares what is with what is wanted

import cluster, { type Worker } from 'node:cluster'
import { createServer } from 'node:http'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'

interface Entry {
  readonly worker: Worker
  readonly generation: number
  readonly since: Date
  readonly wasSpare: boolean
  up: boolean
  killAt: number | undefined
}

const { WORKERS: text = '', PORT = '8000', ADMIN_PORT = '9000', SHUTDOWN_MS = '5000' } = process.env
const wanted = text === '' ? availableParallelism() : /^\d{1,2}$/.test(text) ? Number(text) : 0
if (wanted < 1 || wanted > 64) {
  console.error(`WORKERS: ${text} is no number from 1 to 64`)
  process.exit(1)
}

const grace = Number(SHUTDOWN_MS)
const entries = new Map<number, Entry>()
let generation = 1
let renewing = false
let ending = false
let exitCode = 0
let inARow = 0
/** Grows with each death, and shrinks by half with each second without one. */
let heat = 0
let cooledAt = Date.now()
let notBefore = 0
let announced = false

cluster.schedulingPolicy = cluster.SCHED_NONE
cluster.setupPrimary({ exec: fileURLToPath(new URL('./worker-file/worker.ts', import.meta.url)) })

const here = (): readonly Entry[] => [...entries.values()].filter(({ killAt }) => killAt === undefined)
const up = (): readonly Entry[] => here().filter((entry) => entry.up)

function fork(): void {
  const worker = cluster.fork()
  worker.on('error', () => {})
  entries.set(worker.id, {
    worker,
    generation,
    since: new Date(),
    wasSpare: renewing,
    up: false,
    killAt: undefined,
  })
}

function retire(entry: Entry): void {
  if (entry.killAt !== undefined) return
  entry.killAt = Date.now() + grace
  entry.worker.send('end', () => {})
}

/** Looks ten times a second, and whenever something has happened. */
function reconcile(): void {
  const now = Date.now()
  for (const { worker, killAt } of entries.values()) {
    if (killAt === undefined || now < killAt) continue
    if (ending) exitCode = 1
    worker.process.kill('SIGKILL')
  }
  if (ending) {
    if (entries.size === 0) process.exit(exitCode)
    return
  }
  const old = up().filter((entry) => entry.generation < generation)
  const fresh = here().filter((entry) => entry.generation === generation)
  if (renewing && old.length === 0) renewing = false
  if (renewing) {
    const ready = fresh.filter((entry) => entry.up).length
    // One for one: as many old ones go as new ones have come beyond the number wanted.
    for (const entry of old.slice(0, Math.max(0, ready + old.length - wanted))) retire(entry)
    if (fresh.length === ready && ready < wanted) fork()
    return
  }
  if (here().length >= wanted || now < notBefore) return
  while (here().length < wanted) fork()
}

function died(worker: Worker, code: number | null): void {
  const entry = entries.get(worker.id)
  entries.delete(worker.id)
  if (ending || entry === undefined || entry.killAt !== undefined) return reconcile()
  if (code === 111) return end(1, `port ${PORT} is taken`)
  const now = Date.now()
  heat = heat * 0.5 ** ((now - cooledAt) / 1000) + 1
  cooledAt = now
  notBefore = now + Math.min(2000, 60 * 2 ** heat)
  if (entry.up) return
  if (entry.wasSpare) {
    if (!renewing) return
    renewing = false
    // What serves is what counts.
    generation -= 1
    console.error(`no reload: ${worker.process.pid} did not come up`)
    return
  }
  inARow += 1
  if (inARow >= 5) end(1, 'no worker comes up')
}

function end(code: number, why?: string): void {
  if (ending) return
  ending = true
  exitCode = code
  if (why) console.error(why)
  for (const entry of entries.values()) retire(entry)
  reconcile()
}

function renew(): boolean {
  if (renewing || ending) return false
  renewing = true
  generation += 1
  reconcile()
  return true
}

cluster.on('listening', (worker) => {
  const entry = entries.get(worker.id)
  if (entry === undefined) return
  entry.up = true
  inARow = 0
  if (!announced && up().length === wanted) {
    announced = true
    console.log(`ready: ${wanted} workers on port ${PORT}`)
  }
  reconcile()
})
cluster.on('message', (worker, message: unknown) => {
  const entry = entries.get(worker.id)
  // It ends itself; until it has, it is neither here nor gone.
  if (message === 'broken' && entry !== undefined && entry.killAt === undefined) {
    entry.killAt = Date.now() + grace
    notBefore = Date.now() + 250
  }
})
cluster.on('exit', died)
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => end(0))
process.on('SIGHUP', () => void renew())

createServer((request, response) => {
  if (request.url === '/reload' && request.method === 'POST') response.statusCode = renew() ? 202 : 409
  else if (request.url !== '/workers') response.statusCode = 404
  const list = [...entries.values()].map(({ worker, up, since, killAt }) => ({
    id: worker.id,
    pid: worker.process.pid,
    state: killAt !== undefined ? 'draining' : up ? 'listening' : 'starting',
    startedAt: since.toISOString(),
  }))
  response.end(JSON.stringify(list))
}).listen(Number(ADMIN_PORT), '127.0.0.1')

reconcile()
setInterval(reconcile, 100)

/** The primary: keeps the number of workers, renews them, and ends them. It serves the admin interface only. */

import cluster from 'node:cluster'
import { serveAdmin } from './admin.ts'
import { crew, drain, kill, listening, recruit, staying, type Member } from './crew.ts'
import { adminPort, cannotListen, port, wantedWorkers } from './settings.ts'
import { heard, watch } from './watch.ts'

/** So many workers in a row may die before they listen. */
const bootBudget = 5

/** What a worker tells its primary. */
interface FromWorker {
  readonly type: 'beat' | 'leaving'
  readonly rss?: number
}

let wanted = 0
let bootDeaths = 0
let reloading = false
/** Set once, when the program is to end: with which exit code. */
let ending: { code: 0 | 1 } | undefined

export function lead(): void {
  const workers = wantedWorkers()
  if (workers === undefined) {
    console.error(`WORKERS must be a whole number from 1 to 64, not ${JSON.stringify(process.env.WORKERS)}`)
    process.exitCode = 1
    return // nothing was forked, so nothing keeps this process alive
  }
  wanted = workers
  let announced = false

  cluster.on('listening', (worker, address) => {
    const member = crew.get(worker.id)
    if (member?.state !== 'starting') return // told to go before it came so far
    member.state = 'listening'
    member.silentLooks = 0 // up to here they counted its boot
    bootDeaths = 0
    tellReadiness()
    if (announced || listening().length < wanted) return
    announced = true
    console.log(`ready: ${wanted} workers on port ${address.port}`)
  })

  cluster.on('message', (worker, message: FromWorker | null) => {
    const member = crew.get(worker.id)
    if (member === undefined) return
    if (message?.type === 'beat') {
      if (heard(member, message.rss) === 'too big') kill(member)
    } else if (message?.type === 'leaving' && member.state !== 'draining') {
      // It crashed, or somebody told it to go: how it goes, and what comes after, is the primary's part.
      letGo(member)
      setTimeout(refill, pauseBeforeFork())
    }
  })

  cluster.on('exit', (worker, code, signal) => {
    const member = crew.get(worker.id)
    crew.delete(worker.id)
    tellReadiness()
    if (ending !== undefined) {
      if (signal === 'SIGKILL') ending.code = 1
      return endWhenAllAreGone()
    }
    if (code === cannotListen)
      return end(1, `port ${port} is taken, or not ours to use: no worker can listen on it`)
    if (member?.state === 'starting' && !member.spare) {
      bootDeaths += 1
      const why = `giving up: ${bootDeaths} workers in a row died before they listened, the last with ${signal ?? `exit code ${code}`}`
      if (bootDeaths >= bootBudget) return end(1, why)
    }
    setTimeout(refill, pauseBeforeFork())
  })

  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => end(0))
  process.on('SIGHUP', () => void reload())
  serveAdmin(adminPort, { isReady, reload, retire })
  watch()
  refill()
}

/** Forks what is missing now. Whatever happened since the call was planned, the number comes out right. */
function refill(): void {
  while (ending === undefined && staying() < wanted) recruit()
}

/** Short after a crash of a worker that served; longer and longer while workers die before they listen. */
function pauseBeforeFork(): number {
  return Math.min(100 * 2 ** bootDeaths, 2000)
}

function letGo(member: Member): void {
  drain(member)
  tellReadiness()
}

/** The new one listens, then the old one drains. False when the new one does not come so far: then the old one stays. */
async function replace(old: Member): Promise<boolean> {
  if (ending !== undefined || !crew.has(old.worker.id) || old.state === 'draining') return true
  if (old.successor) return old.successor.listens // on its way already
  const next = recruit(true)
  old.successor = next
  // If the old one dies meanwhile, its place is taken already.
  void old.gone.then(() => (next.spare = false))
  if (!(await next.listens) || ending !== undefined) {
    old.successor = undefined
    return false
  }
  letGo(old)
  await old.gone
  return true
}

/** On behalf of the admin: false for a worker that there is not. */
function retire(id: number): boolean {
  const member = crew.get(id)
  if (member === undefined) return false
  if (member.state === 'starting') letGo(member)
  else void replaceAtLast(member)
  return true
}

/** Until it has worked: whoever ordered it was told that it will. */
async function replaceAtLast(member: Member): Promise<void> {
  while (!(await replace(member)) && ending === undefined) await new Promise((rest) => setTimeout(rest, 1000))
}

/** Renews all workers, one by one. False when that is not possible now. */
function reload(): boolean {
  if (reloading || ending !== undefined) return false
  reloading = true
  void renew([...crew.values()]).finally(() => (reloading = false))
  return true
}

async function renew(old: readonly Member[]): Promise<void> {
  for (const member of old) {
    // One that still boots comes first: its replacement could be quicker than it, and then both would stay.
    if (!(await member.listens) || !crew.has(member.worker.id)) continue // died meanwhile: renewed already
    if (await replace(member)) continue
    if (ending === undefined) console.error('reload stopped: a new worker did not start, the old ones stay')
    return
  }
}

/** Half of the workers are enough to be sent requests, and a program that ends wants no more of them. */
function isReady(): boolean {
  return ending === undefined && listening().length >= wanted / 2
}

/** Workers answer /readyz, and only the primary knows how many they are. */
function tellReadiness(): void {
  for (const { worker } of listening()) worker.send({ type: 'ready', ready: isReady() }, () => {})
}

/** Drains all, at once. Called again it does nothing, and neither does anything that forks. */
function end(code: 0 | 1, why?: string): void {
  if (ending !== undefined) return
  if (why !== undefined) console.error(why)
  ending = { code }
  tellReadiness()
  for (const member of crew.values()) drain(member)
  endWhenAllAreGone()
}

function endWhenAllAreGone(): void {
  if (crew.size === 0) process.exit(ending?.code)
}

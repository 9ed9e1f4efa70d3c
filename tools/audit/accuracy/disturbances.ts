/** What goes on beside the verdicts that are repeated: other programs, fewer cores, little memory. */

import { spawn, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Disturbances {
  /** So many busy loops, which only use a core each. */
  readonly hogs: number
  /** As many bursts of load as there are cores, a second long, with a second between them. */
  readonly burst: boolean
  /** The grading and all that it starts may use so many cores; all unless told. */
  readonly cores?: number | undefined
  /** Memory is filled until only so many MiB are available; none is unless told. */
  readonly leave?: number | undefined
  /** Throughput is measured with so many workers; with one for each core unless told. */
  readonly workers?: number | undefined
}

/** As a table names it. */
export function nameOf({ hogs, burst, cores, leave, workers }: Disturbances): string {
  const parts = [
    hogs === 0 ? '' : hogs === 1 ? 'one loop' : `${hogs} loops`,
    burst ? 'bursts' : '',
    cores === undefined ? '' : cores === 1 ? 'one core' : `${cores} cores`,
    leave === undefined ? '' : `${leave} MiB left`,
    workers === undefined ? '' : `${workers} workers`,
  ].filter((part) => part !== '')
  return parts.length === 0 ? 'nothing' : parts.join(', ')
}

/**
 * Starts them, and ends them when it is disposed of; they end with this process too, however it ends. Throws where
 * this machine cannot do it.
 */
export async function disturb({ hogs, burst, cores, leave }: Disturbances): Promise<Disposable> {
  // The grading alone is confined: what goes on beside it keeps all cores.
  const processes = [
    ...Array.from({ length: hogs }, () => start(LOOP)),
    ...Array.from({ length: burst ? availableParallelism() : 0 }, () => start(BURST)),
  ]
  if (leave !== undefined) processes.push(await fillMemory(leave))
  if (cores !== undefined) confine(cores)
  return {
    [Symbol.dispose]() {
      for (const one of processes) one.kill('SIGKILL')
    },
  }
}

/** Each ends with its standard input, which is a pipe from here; a thread looks, since the loop never turns. */
const ENDS_WITH_INPUT = `
  const { Worker } = require('node:worker_threads')
  new Worker("require('node:fs').readSync(0, Buffer.alloc(1)); process.kill(process.pid, 'SIGKILL')", { eval: true })`

const LOOP = `${ENDS_WITH_INPUT}
  setTimeout(() => { for (;;); }, 100)`

const BURST = `${ENDS_WITH_INPUT}
  setInterval(() => { const end = Date.now() + 1000; while (Date.now() < end); }, 2000)`

/**
 * Holds so many MiB, and goes on touching them, so that the kernel has to keep them. Gives some back when the machine
 * has next to nothing left: without swap it would stand still.
 */
const HOLD = `${ENDS_WITH_INPUT}
  const held = []
  for (let left = Number(process.env.HOLD_MIB); left > 0; left -= 64) held.push(Buffer.alloc(64 * 1024 ** 2, 1))
  setInterval(() => { for (const part of held) for (let at = 0; at < part.length; at += 4096) part[at] += 1 }, 5000)
  const isScarce = () => process.availableMemory() < 200 * 1024 ** 2
  if (process.platform === 'linux') setInterval(() => { if (isScarce() && held.pop()) gc() }, 100)
  process.stdout.write('held')`

function start(script: string, env: Record<string, string> = {}) {
  return spawn(process.execPath, ['--expose-gc', '-e', script], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, NODE_OPTIONS: '', ...env },
  })
}

/** A grading takes as much itself. With less, nothing would be measured but the kernel reading files again. */
export const LEAST_LEFT_MIB = 1_000

async function fillMemory(leave: number) {
  const hold = availableMib() - leave
  if (hold < 64) throw new Error(`There are not even ${leave} MiB available: choose a smaller --leave.`)
  const holder = start(HOLD, { HOLD_MIB: String(hold) })
  let said = ''
  holder.stdout.setEncoding('utf8').on('data', (text: string) => (said += text))
  while (said !== 'held') {
    if (holder.exitCode !== null || holder.signalCode !== null) {
      throw new Error(`This machine did not give ${hold} MiB to one process: choose a larger --leave.`)
    }
    await sleep(50)
  }
  return holder
}

/** What can be had without swapping, which is more than what is free; on Linux only. */
function availableMib(): number {
  return Math.floor(process.availableMemory() / 1024 ** 2)
}

/** Binds all threads of this process, and with them what it starts from now on, to the first of its cores. */
function confine(count: number): void {
  const allowed = /^Cpus_allowed_list:\s*(\S+)/m.exec(statusOfThis())?.[1]?.split(',') ?? []
  const all = allowed.flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number)
    return Array.from({ length: last - first + 1 }, (_, index) => first + index)
  })
  const { status } = spawnSync('taskset', ['-acp', all.slice(0, count).join(','), String(process.pid)])
  if (status !== 0 || availableParallelism() !== count) {
    throw new Error(`taskset could not bind this process to ${count} of its ${all.length} cores.`)
  }
}

function statusOfThis(): string {
  try {
    return readFileSync('/proc/self/status', 'utf8')
  } catch {
    throw new Error('--cores works on Linux only.')
  }
}

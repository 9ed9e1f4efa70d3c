/** One program in the keeper's care: its processes, its observers, what it printed and what was seen of it. */

import { spawn } from 'node:child_process'
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { canWriteTo } from './folders.mjs'
import { allowedCores, hasProc, idleMs, processesOfRun, scheduled } from './process-table.mjs'

/**
 * @typedef {object} Plan
 * @property {readonly string[]} argv the command and its arguments
 * @property {string} cwd
 * @property {Record<string, string>} env the whole environment but PORT, ADMIN_PORT, DATA_DIR and the keeper's own
 * @property {number} [port] given as PORT; else a free one
 * @property {boolean} [withoutPort] PORT is not in its environment
 * @property {string} [dataDir] given as DATA_DIR; else a folder of its own, which is not there yet
 * @property {boolean} [observed] default true
 * @property {boolean} [ahead] started ahead of the one who will ask for it
 * @property {boolean} [input] whether standard input is a pipe
 * @property {boolean} [byHand] a person runs it: PORT, ADMIN_PORT and DATA_DIR are those of `env`, or unset; NODE_OPTIONS
 *   of `env` counts beside the observer's; it may print without end
 */

/** What a program may print in all. */
const OUTPUT_LIMIT_BYTES = 32 * 1024 ** 2
/** How many lines of it are kept. What the observers saw is all kept. */
const LINES_KEPT = 4_000

/** Whether it names one process: to a signal, 0 and numbers below are whole groups. @param {unknown} pid */
export function isProcess(pid) {
  return Number.isSafeInteger(pid) && Number(pid) > 1
}

export class KeptProgram {
  over = false
  /** @type {Map<number, import('node:net').Socket>} */
  observers = new Map()
  /** @type {Record<string, unknown>[]} */
  #events = []
  #outputBytes = 0
  #lines = 0
  #seq = 0
  /** @type {import('node:child_process').ChildProcess | undefined} */
  #child
  /** @type {Map<number, (reading: any) => void>} */
  #awaitedReadings = new Map()
  #nextReading = 0

  /**
   * @param {string} key @param {Plan & { port: number, adminPort: number, dataDir: string }} plan @param {{ run: string, keeper: string }} care
   * @param {(event: Record<string, unknown>) => void} tell
   */
  constructor(key, plan, care, tell) {
    this.key = key
    this.plan = plan
    this.ahead = plan.ahead === true
    /** What every process of the program carries in its environment. */
    this.tag = `${care.run}/${key}`
    this.care = care
    this.tellHarnesses = tell
  }

  get pid() {
    return this.#child?.pid
  }

  start() {
    const { argv, cwd, env, port, adminPort, dataDir } = this.plan
    const { observed = true, input = false, withoutPort = false, byHand = false } = this.plan
    const observer = new URL('./observer.mjs', import.meta.url).href
    const nodeOptions = `--import ${observer} ${byHand ? (env.NODE_OPTIONS ?? '') : ''}`.trim()
    const child = spawn(/** @type {string} */ (argv[0]), argv.slice(1), {
      cwd,
      // A process group of its own: signals to the checker's terminal do not reach it.
      detached: true,
      stdio: [input ? 'pipe' : 'ignore', 'pipe', 'pipe'],
      env: {
        ...(byHand ? {} : { ADMIN_PORT: String(adminPort), DATA_DIR: dataDir }),
        ...env,
        ...(withoutPort || byHand ? {} : { PORT: String(port) }),
        ...cacheOf(env),
        EVERY_CORE_RUN: this.tag,
        ...(observed ? { EVERY_CORE_KEEPER: this.care.keeper, NODE_OPTIONS: nodeOptions } : {}),
      },
    })
    this.#child = child
    this.#record({ type: 'started', pid: child.pid ?? null })
    child.on('error', (error) => this.#record({ type: 'not-started', message: error.message }))
    child.on('exit', (code, signal) => this.#record({ type: 'ended', code, signal }))
    child.on('close', () => this.#record({ type: 'closed' }))
    child.stdin?.on('error', () => {})
    this.#readLines('stdout', child.stdout)
    this.#readLines('stderr', child.stderr)
  }

  /** @param {'stdout' | 'stderr'} stream @param {import('node:stream').Readable | null} source */
  #readLines(stream, source) {
    let rest = ''
    source?.setEncoding('utf8')
    source?.on('error', () => {})
    source?.on('data', (/** @type {string} */ text) => {
      this.#outputBytes += text.length
      if (this.over) return
      if (this.#outputBytes > OUTPUT_LIMIT_BYTES && this.plan.byHand !== true) {
        this.exceeded('output', this.#outputBytes)
        void this.end()
        return
      }
      const lines = (rest + text).split('\n')
      rest = (lines.pop() ?? '').slice(0, 65_536)
      for (const line of lines) this.#record({ type: 'line', stream, text: line.slice(0, 65_536) })
    })
    source?.on('end', () => {
      if (rest !== '') this.#record({ type: 'line', stream, text: rest, partial: true })
    })
  }

  /** @param {Record<string, unknown>} event */
  #record(event) {
    this.#seq += 1
    const stamped = {
      key: this.key,
      seq: this.#seq,
      at: performance.timeOrigin + performance.now(),
      ...event,
    }
    this.#events.push(stamped)
    if (event.type === 'line') this.#dropLines()
    this.tellHarnesses(stamped)
  }

  /** The first lines tell how the program started, the last what it did last: what is dropped is the middle. */
  #dropLines() {
    this.#lines += 1
    if (this.#lines < 2 * LINES_KEPT) return
    let line = 0
    this.#events = this.#events.filter((event) => {
      if (event.type !== 'line') return true
      line += 1
      return line <= LINES_KEPT / 2 || line > this.#lines - LINES_KEPT / 2
    })
    this.#lines = LINES_KEPT
  }

  history() {
    return this.#events
  }

  /** @param {number} pid @param {import('node:net').Socket} socket @param {Record<string, unknown>} hello */
  welcome(pid, socket, hello) {
    this.observers.set(pid, socket)
    this.#record(hello)
  }

  /** @param {any} message */
  heard(message) {
    if (['usage', 'resources', 'gauge'].includes(message.type))
      this.#awaitedReadings.get(message.id)?.(message)
    // For those who watch now: it goes on for as long as the program lives, and is not kept.
    else if (message.type === 'vitals') this.tellHarnesses({ key: this.key, ...message })
    else this.#record(message)
  }

  /** @param {number} pid @param {import('node:net').Socket} socket */
  lost(pid, socket) {
    if (this.observers.get(pid) !== socket) return
    this.observers.delete(pid)
    this.#record({ type: 'gone', pid })
  }

  /** @param {string} limit @param {number} value */
  exceeded(limit, value) {
    this.#record({ type: 'limit', limit, value })
  }

  /** @param {number | 'group'} pid @param {NodeJS.Signals} signal */
  signal(pid, signal) {
    const target = pid === 'group' ? this.pid : pid
    // Pids of workers are what a program's own processes have told.
    if (!isProcess(target)) return false
    try {
      return process.kill(pid === 'group' ? -Number(target) : Number(target), signal)
    } catch {
      return false
    }
  }

  /** @param {number} pid @param {Record<string, unknown>} command */
  tell(pid, command) {
    const socket = this.observers.get(pid)
    socket?.write(`${JSON.stringify(command)}\n`)
    return socket !== undefined
  }

  /** @param {string} text */
  write(text) {
    this.#child?.stdin?.write(text)
  }

  /** @param {Plan} plan */
  alike(plan) {
    const essence = (/** @type {Plan} */ { argv, cwd, env, withoutPort = false }) =>
      JSON.stringify([
        argv,
        cwd,
        withoutPort,
        Object.keys(env)
          .sort()
          .map((name) => [name, env[name]]),
      ])
    return !this.over && essence(plan) === essence(this.plan)
  }

  /**
   * What each thread of each process has used up to now: CPU time, and time in the run queue. Where the kernel does
   * not tell, a process counts as one thread, which waited while its event loop was active and did not run. In ms.
   */
  async usage() {
    const pids = [...this.observers.keys()]
    const at = performance.timeOrigin + performance.now()
    if (hasProc && pids.length > 0 && scheduled(/** @type {number} */ (pids[0])) !== undefined) {
      const processes = pids.flatMap((pid) => {
        const threads = scheduled(pid)
        return threads === undefined ? [] : [{ pid, threads, cores: allowedCores(pid) }]
      })
      return { at, source: 'kernel', idleMs: idleMs(), processes }
    }
    const processes = await Promise.all(pids.map((pid) => this.#usageOf(pid)))
    return {
      at,
      source: 'event loop',
      idleMs: idleMs(),
      processes: processes.filter((reading) => reading !== undefined),
    }
  }

  /** What keeps each process's event loop alive, by Node's names; undefined for one that does not tell. */
  async resources() {
    return Promise.all(
      [...this.observers.keys()].map(async (pid) => {
        const reading = await this.#ask(pid, 'resources')
        return { pid, types: /** @type {string[] | undefined} */ (reading?.types) }
      }),
    )
  }

  /**
   * How long the work that is always the same took in each process at its requests since the last time, in ms.
   * @param {boolean} on whether it goes on
   */
  async gauge(on) {
    const readings = await Promise.all(
      [...this.observers.keys()].map(async (pid) => ({
        pid,
        reading: await this.#ask(pid, 'gauge', { on }),
      })),
    )
    return readings.flatMap(({ pid, reading }) =>
      reading === undefined ? [] : [{ pid, times: /** @type {number[]} */ (reading.times) }],
    )
  }

  /**
   * Asks an observer; undefined when its process has gone, or does not answer within half a second.
   * @param {number} pid @param {'usage' | 'resources' | 'gauge'} what @param {Record<string, unknown>} [more]
   */
  async #ask(pid, what, more = {}) {
    this.#nextReading += 1
    const id = this.#nextReading
    const reading = await Promise.race([
      new Promise((resolve) => {
        this.#awaitedReadings.set(id, resolve)
        this.observers.get(pid)?.once('close', () => resolve(undefined))
        this.tell(pid, { do: what, id, ...more })
      }),
      sleep(500, undefined, { ref: false }),
    ])
    this.#awaitedReadings.delete(id)
    return reading
  }

  /** @param {number} pid @returns {Promise<{ pid: number, threads: import('./process-table.mjs').Thread[] } | undefined>} */
  async #usageOf(pid) {
    const reading = await this.#ask(pid, 'usage')
    if (reading === undefined) return undefined
    const { cpuMs, activeMs } = reading
    return { pid, threads: [{ id: pid, cpuMs, waitMs: Math.max(0, activeMs - cpuMs) }] }
  }

  /** Kills all that the program started; resolves to how many processes would not go (0 unless the kernel is stuck). */
  async end() {
    this.over = true
    if (this.pid === undefined) return 0
    this.signal('group', 'SIGKILL')
    for (let attempt = 0; attempt < 200; attempt += 1) {
      const left = processesOfRun(this.tag)
      if (left.length === 0 && (this.#child?.exitCode !== null || this.#child.signalCode !== null)) return 0
      // Stopped first, a bomb cannot fork between two kills.
      for (const { pid } of left) this.signal(pid, 'SIGSTOP')
      for (const { pid } of left) this.signal(pid, 'SIGKILL')
      await sleep(attempt < 20 ? 5 : 25)
    }
    return processesOfRun(this.tag).length
  }
}

/** An empty one tells the observer that there is no place for compiled files. @param {Record<string, string>} env */
function cacheOf({ EVERY_CORE_CACHE: cache }) {
  return cache === undefined || canWriteTo(cache) ? {} : { EVERY_CORE_CACHE: '' }
}

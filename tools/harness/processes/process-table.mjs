/** Which processes belong to a run, and what they use: from /proc, or from `ps` where there is none. */

import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { cpus } from 'node:os'

export const hasProc = existsSync('/proc/self/environ') && process.env.EVERY_CORE_NO_PROC !== '1'

/**
 * @typedef {{ pid: number, rssBytes: number, command: string, state: string }} Entry
 * `command`: the path of what runs, or more of its command line; `state`: the letter that `ps` shows, `T` for stopped
 */

/** A process keeps the environment it was started with, so what was not ours once is never ours. @type {Set<number>} */
let strangers = new Set()

/** Every live process whose environment carries this tag (zombies carry none). @param {string} tag @returns {Entry[]} */
export function processesOfRun(tag) {
  return hasProc ? fromProc(tag) : fromPs(tag)
}

/** @param {string} tag @returns {Entry[]} */
function fromProc(tag) {
  const needle = `EVERY_CORE_RUN=${tag}\0`
  const run = `EVERY_CORE_RUN=${tag.split('/')[0]}/`
  /** @type {Entry[]} */
  const found = []
  /** @type {Set<number>} */
  const seen = new Set()
  for (const name of readdirSync('/proc')) {
    const pid = Number(name)
    if (!Number.isInteger(pid)) continue
    if (strangers.has(pid)) {
      seen.add(pid)
      continue
    }
    const environment = read(`/proc/${pid}/environ`)
    if (environment === undefined) continue
    if (environment.includes(needle)) {
      found.push({ pid, rssBytes: rssOf(pid), command: commandOf(pid), state: stateOf(pid) })
    } else if (!environment.includes(run) && environment !== '') seen.add(pid)
  }
  strangers = seen
  return found
}

/** @param {number} pid */
function commandOf(pid) {
  return read(`/proc/${pid}/cmdline`)?.split('\0')[0] ?? ''
}

/** proc(5): the third field, after a name in parentheses that may hold any character. @param {number} pid */
function stateOf(pid) {
  return /\) (\S)[^)]*$/.exec(read(`/proc/${pid}/stat`) ?? '')?.[1] ?? ''
}

/** @param {number} pid */
function rssOf(pid) {
  const pages = Number(read(`/proc/${pid}/statm`)?.split(' ')[1] ?? 0)
  return pages * 4096
}

/** Kills every process of a run: for when its keeper cannot do it any more. @param {string} run */
export function killRun(run) {
  if (!hasProc) return
  for (const name of readdirSync('/proc')) {
    const pid = Number(name)
    if (!Number.isInteger(pid) || !read(`/proc/${pid}/environ`)?.includes(`EVERY_CORE_RUN=${run}/`)) continue
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has gone by itself.
    }
  }
}

/** All processes, unclipped, with their environments: macOS has an option of its own for these. */
const withEnvironment = process.platform === 'darwin' ? ['-AEww'] : ['axeww']

/** @param {string} tag @returns {Entry[]} */
function fromPs(tag) {
  let text = ''
  try {
    text = execFileSync('ps', [...withEnvironment, '-o', 'pid=,rss=,state=,command='], {
      encoding: 'utf8',
      maxBuffer: 64 * 1024 ** 2,
    })
  } catch {
    return []
  }
  return text
    .split('\n')
    .filter((line) => new RegExp(`EVERY_CORE_RUN=${tag}(\\s|$)`).test(line))
    .map((line) => line.trim().split(/\s+/))
    .map(([pid, rss, state = '', command = '']) => ({
      pid: Number(pid),
      rssBytes: Number(rss) * 1024,
      command,
      state: state.slice(0, 1),
    }))
}

/** @param {string} path */
export function read(path) {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return undefined
  }
}

/** @typedef {{ id: number, cpuMs: number, waitMs: number }} Thread */

/**
 * CPU time and time spent runnable but not running, in ms, of each thread of a process: the first two numbers of
 * /proc/PID/task/TID/schedstat (Documentation/scheduler/sched-stats.rst). Undefined where the kernel keeps none.
 * @param {number} pid @returns {Thread[] | undefined}
 */
export function scheduled(pid) {
  try {
    const threads = readdirSync(`/proc/${pid}/task`).flatMap((id) => {
      const [ran, waited] = (read(`/proc/${pid}/task/${id}/schedstat`) ?? '').split(' ')
      return waited === undefined
        ? []
        : [{ id: Number(id), cpuMs: Number(ran) / 1e6, waitMs: Number(waited) / 1e6 }]
    })
    return threads.some((thread) => thread.cpuMs > 0) ? threads : undefined
  } catch {
    return undefined
  }
}

/** The cores that a process may use, as the kernel lists them (`0-1,4`); undefined where it does not. @param {number} pid */
export function allowedCores(pid) {
  return /^Cpus_allowed_list:\s*(\S+)/m.exec(read(`/proc/${pid}/status`) ?? '')?.[1]
}

/** CPU time of this machine that nobody used, in ms since it started, over all cores. */
export function idleMs() {
  return cpus().reduce((sum, { times }) => sum + times.idle, 0)
}

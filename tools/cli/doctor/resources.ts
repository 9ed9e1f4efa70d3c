/** Cores, memory, open files and processes: what this machine has, against what a check takes. */

import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, totalmem } from 'node:os'
import { cgroupLimits } from './cgroup.ts'
import { type Finding, bytesText } from './finding.ts'

/** What of the machine is counted. Cheap to read: a few small files. */
export interface Resources {
  /** Cores of the machine. */
  readonly installed: number
  /** Cores that this process may run on: what `os.availableParallelism()` says. */
  readonly allowed: number
  /** CPU time per time that a quota lets it use, in cores. */
  readonly quota: number | undefined
  readonly memoryBytes: number
  /** With what the kernel would give back; undefined where it does not tell (macOS). */
  readonly memoryFreeBytes: number | undefined
  /** Undefined: no limit, or not told here. */
  readonly openFiles: number | undefined
  /** How many processes and threads there may be: this user's, or what is left of the control group's. */
  readonly tasksLeft: number | undefined
}

/** Of this machine. Where there is no /proc (macOS), open files and processes are not told. */
export function resources(): Resources {
  const limits = cgroupLimits()
  const ours = text('/proc/self/limits')
  const free = availableBytes()
  const memoryBytes = Math.min(totalmem(), limits.memoryBytes ?? Infinity)
  return {
    installed: cpus().length,
    allowed: availableParallelism(),
    quota: limits.cores,
    memoryBytes,
    memoryFreeBytes:
      free === undefined
        ? undefined
        : Math.max(0, Math.min(free, (limits.memoryBytes ?? Infinity) - limits.memoryUsedBytes)),
    openFiles: softLimit(ours, 'Max open files'),
    tasksLeft: leastOf([
      softLimit(ours, 'Max processes'),
      limits.tasks === undefined ? undefined : Math.max(0, limits.tasks - limits.tasksUsed),
    ]),
  }
}

export function judgeCores({ installed, allowed, quota }: Resources): Finding {
  const subject = 'cores'
  const bound = allowed < installed ? ` of ${installed}` : ''
  const found = `${allowed}${bound}, ${quota === undefined ? 'without a quota' : `with a quota of ${rounded(quota)}`}`
  const usable = Math.min(allowed, quota ?? Infinity)
  // A quota is given out in periods of 0.1 s: with less than two cores of it, two workers stand still by turns.
  if (usable < 2) {
    return {
      subject,
      fitness: 'caution',
      found,
      advice:
        'From lesson 2 on a share of the speed-up is measured, and one core has none to share: all else is checked, ' +
        'and that check is inconclusive. Give the machine or the container two cores.',
    }
  }
  if (quota !== undefined && quota < allowed) {
    return {
      subject,
      fitness: 'caution',
      found,
      advice:
        'A program that counts cores may fork more workers than the quota lets run, and all of them stand still when ' +
        `it is used up. Where you choose the number yourself, take WORKERS=${Math.floor(quota)}.`,
    }
  }
  return { subject, fitness: 'good', found }
}

/** Measured: a whole check of lesson 3 took 1.0 GB on two cores at its peak. More cores mean more workers. */
const memoryFor = (cores: number): number => (0.6 + 0.2 * cores) * 1024 ** 3
/** What a single Node process with the runner and a program of two workers takes. */
const leastMemory = 400 * 1024 ** 2

export function judgeMemory({ memoryBytes, memoryFreeBytes, allowed }: Resources): Finding {
  const subject = 'memory'
  const found =
    memoryFreeBytes === undefined
      ? `${bytesText(memoryBytes)}; how much of it is free is not told here`
      : `${bytesText(memoryFreeBytes)} free of ${bytesText(memoryBytes)}`
  const wanted = memoryFor(allowed)
  const usable = memoryFreeBytes ?? memoryBytes
  if (usable >= wanted) return { subject, fitness: 'good', found }
  return {
    subject,
    fitness: usable < leastMemory ? 'bad' : 'caution',
    found,
    advice:
      `A check of lesson 3 takes some ${bytesText(wanted)} with ${allowed} cores: with less, programs are swapped out or ` +
      'killed. Close other programs, or give the machine or the container more.',
  }
}

export function judgeOpenFiles({ openFiles }: Pick<Resources, 'openFiles'>): Finding {
  const subject = 'open files'
  if (openFiles === undefined) return { subject, fitness: 'good', found: 'no limit that is told here' }
  if (openFiles >= 1024) return { subject, fitness: 'good', found: `up to ${openFiles} a process` }
  return {
    subject,
    fitness: openFiles < 128 ? 'bad' : 'caution',
    found: `up to ${openFiles} a process`,
    advice: 'Connections and modules are open files too: raise it with `ulimit -n 4096` in this shell.',
  }
}

/**
 * Measured: a check of lesson 3 had 290 threads on two cores at its peak. With less than that its workers abort as
 * they start, and a right program fails; tools/start.mjs refuses to grade under a limit of so few.
 */
export function judgeTasks({ tasksLeft }: Pick<Resources, 'tasksLeft'>): Finding {
  const subject = 'processes'
  if (tasksLeft === undefined) return { subject, fitness: 'good', found: 'no limit that is told here' }
  if (tasksLeft >= 1000) return { subject, fitness: 'good', found: `room for ${tasksLeft}, threads included` }
  return {
    subject,
    fitness: tasksLeft < 300 ? 'bad' : 'caution',
    found: `room for ${tasksLeft}, threads included`,
    advice:
      'A check had some 300 threads on two cores. Raise `ulimit -u` in this shell, or the limit of the container ' +
      '(docker run --pids-limit).',
  }
}

function softLimit(limits: string | undefined, name: string): number | undefined {
  const found = new RegExp(`^${name}\\s+(\\d+)`, 'm').exec(limits ?? '')?.[1]
  return found === undefined ? undefined : Number(found)
}

/** `MemAvailable`: free, and what the kernel would give back. */
function availableBytes(): number | undefined {
  const kilobytes = /^MemAvailable:\s+(\d+) kB$/m.exec(text('/proc/meminfo') ?? '')?.[1]
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024
}

function leastOf(numbers: readonly (number | undefined)[]): number | undefined {
  const known = numbers.filter((number) => number !== undefined)
  return known.length === 0 ? undefined : Math.min(...known)
}

function rounded(cores: number): string {
  return String(Number(cores.toFixed(1)))
}

function text(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

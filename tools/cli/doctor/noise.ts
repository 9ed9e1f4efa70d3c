/** What else this machine does at the moment, and what may slow its cores down. */

import { readFileSync, readdirSync } from 'node:fs'
import { availableParallelism, cpus } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { outputOf } from './command.ts'
import type { Finding } from './finding.ts'

const lookMs = 1000
/** Less than this of one core is what a desktop does at rest. */
const restingCores = 0.25

export interface Noise {
  /** Cores of the machine, and how many of them this process may use. */
  readonly installed: number
  readonly allowed: number
  /** CPU time per time that others took. */
  readonly busy: number
  /** The program that took the most, where that can be told. */
  readonly most?: { readonly name: string; readonly cores: number } | undefined
}

/** Looks for a second, doing nothing itself. */
export async function lookAtNoise(signal: AbortSignal): Promise<Finding> {
  const before = reading()
  await wait(lookMs, undefined, { signal }).catch(() => {
    throw signal.reason
  })
  const after = reading()
  const ms = after.at - before.at
  const idle = after.idleMs - before.idleMs
  const installed = cpus().length
  return judgeNoise({
    installed,
    allowed: availableParallelism(),
    busy: Math.max(0, installed - idle / ms),
    most: busiest(before, after),
  })
}

export function judgeNoise({ installed, allowed, busy, most }: Noise): Finding {
  const subject = 'other programs'
  const used = `used ${busy.toFixed(1)} of ${installed} cores for a second`
  // Cores that this process may not use anyway may be busy.
  const taken = busy - (installed - allowed)
  if (taken <= restingCores) return { subject, fitness: 'good', found: `they ${used}` }
  const named =
    most === undefined || most.cores < 0.1 ? '' : `, most of it ${most.name} (${most.cores.toFixed(1)})`
  return {
    subject,
    fitness: 'caution',
    found: `they ${used}${named}`,
    advice: 'Beside them a check takes longer, and more of them end inconclusive. End what you do not need.',
  }
}

/** Undefined where nothing of it can be read: a machine without a battery, a virtual machine. */
export async function lookAtPower(root = '/sys'): Promise<Finding | undefined> {
  const subject = 'power'
  if (await onBattery(root)) {
    return {
      subject,
      fitness: 'caution',
      found: 'this machine runs on battery',
      advice: 'Cores may slow down in the middle of a measurement: plug it in.',
    }
  }
  const policy = join(root, 'devices/system/cpu/cpufreq/policy0')
  const governor = textOf(join(policy, 'scaling_governor')).trim()
  if (governor === '') return undefined
  const driver = textOf(join(policy, 'scaling_driver')).trim()
  const found = `cores run under “${governor}” (${driver})`
  // intel_pstate and amd-pstate call their usual setting powersave.
  if (governor !== 'powersave' || /pstate/.test(driver)) return { subject, fitness: 'good', found }
  return {
    subject,
    fitness: 'caution',
    found,
    advice:
      'That keeps them at their lowest frequency: rates are low, shares are right. To change it: cpupower.',
  }
}

async function onBattery(root: string): Promise<boolean> {
  if (process.platform === 'darwin')
    return (await outputOf('pmset', ['-g', 'batt']))?.includes("'Battery Power'") === true
  const supplies = join(root, 'class/power_supply')
  return entries(supplies).some(
    (name) =>
      textOf(join(supplies, name, 'type')).trim() === 'Battery' &&
      textOf(join(supplies, name, 'scope')).trim() !== 'Device' &&
      textOf(join(supplies, name, 'status')).trim() === 'Discharging',
  )
}

interface Reading {
  readonly at: number
  readonly idleMs: number
  readonly programs: ReadonlyMap<string, { readonly name: string; readonly cpuMs: number }>
}

function reading(): Reading {
  return {
    at: performance.now(),
    idleMs: cpus().reduce((sum, { times }) => sum + times.idle, 0),
    programs: new Map(entries('/proc').flatMap((pid) => programAt(pid))),
  }
}

/** The kernel counts in hundredths of a second (USER_HZ) on every platform that Node runs on. */
const tickMs = 10

/** `PID (name) S …`, with user and system time as fields 14 and 15: proc_pid_stat(5). */
function programAt(
  pid: string,
): readonly (readonly [string, { readonly name: string; readonly cpuMs: number }])[] {
  if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return []
  const [, name, rest] = /^\d+ \((.*)\) (.*)$/s.exec(textOf(`/proc/${pid}/stat`)) ?? []
  if (name === undefined || rest === undefined) return []
  const fields = rest.split(' ')
  return [[pid, { name, cpuMs: (Number(fields[11]) + Number(fields[12])) * tickMs }]]
}

/** The name whose processes took the most together. */
function busiest(before: Reading, after: Reading): Noise['most'] {
  const byName = new Map<string, number>()
  for (const [pid, { name, cpuMs }] of after.programs) {
    const used = cpuMs - (before.programs.get(pid)?.cpuMs ?? 0)
    byName.set(name, (byName.get(name) ?? 0) + used)
  }
  const [most] = [...byName].sort(([, one], [, other]) => other - one)
  return most === undefined ? undefined : { name: most[0], cores: most[1] / (after.at - before.at) }
}

function entries(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

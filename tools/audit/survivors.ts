/** Processes of programs under check that live though their run is over. */

import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** Whether processes can be found by what they carry in their environment. */
export const canCount: boolean = existsSync('/proc/self/environ')

/** An environment variable that everything which a grading starts inherits, and no grading beside it has. */
export function mark(): Mark {
  return { name: 'AUDIT_OF_EVERY_CORE', value: randomBytes(8).toString('hex') }
}

export interface Mark {
  readonly name: string
  readonly value: string
}

/** Waits until no process carries the mark; says which do when the time (ms) is over. On Linux only. */
export async function survivors(
  of: Mark,
  { within, among = programs }: { readonly within: number; readonly among?: (of: Mark) => readonly string[] },
): Promise<string | undefined> {
  if (!canCount) return undefined
  const deadline = performance.now() + within
  for (;;) {
    const left = among(of)
    if (left.length === 0) return undefined
    if (performance.now() > deadline) return `processes that live on: ${left.map(describe).join('; ')}`
    await sleep(50)
  }
}

/**
 * The processes of programs under check that carry the mark: in their environment, or, where a program has emptied
 * that, on their command line.
 */
export function programs({ name, value }: Mark): readonly string[] {
  return pids().filter((pid) => {
    const environment = read(`/proc/${pid}/environ`)
    if (environment.includes(`${name}=${value}`)) return environment.includes('EVERY_CORE_RUN=')
    return read(`/proc/${pid}/cmdline`).includes(value)
  })
}

/** All processes that carry the mark: commands, keepers, programs, loads. */
export function carriers({ value }: Mark): readonly string[] {
  return pids().filter((pid) =>
    ['environ', 'cmdline'].some((file) => read(`/proc/${pid}/${file}`).includes(value)),
  )
}

export function pids(): readonly string[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name))
}

export function read(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

/** Its pid and its command line. */
export function describe(pid: string): string {
  return `${pid} ${read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').slice(0, 120)}`
}

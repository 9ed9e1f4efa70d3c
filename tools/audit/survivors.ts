/** Processes of programs under check that live though their run is over. */

import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** Whether processes can be found by what they carry in their environment. */
export const canCount: boolean = existsSync('/proc/self/environ')

/** An environment variable that everything which a grading starts inherits, and no grading beside it has. */
export function mark(): { readonly name: string; readonly value: string } {
  return { name: 'AUDIT_OF_EVERY_CORE', value: randomBytes(8).toString('hex') }
}

type Mark = ReturnType<typeof mark>

/** Waits until no process carries the mark; says which do when the time (ms) is over. On Linux only. */
export async function survivors(
  of: Mark,
  { within }: { readonly within: number },
): Promise<string | undefined> {
  if (!canCount) return undefined
  const deadline = performance.now() + within
  for (;;) {
    const left = programs(of)
    if (left.length === 0) return undefined
    if (performance.now() > deadline) return `processes that live on: ${left.map(describe).join('; ')}`
    await sleep(50)
  }
}

/** The processes of programs under check that carry the mark. */
export function programs({ name, value }: Mark): readonly string[] {
  return pids().filter((pid) => {
    const environment = read(`/proc/${pid}/environ`)
    const marked = environment.includes(`${name}=${value}`) && environment.includes('EVERY_CORE_RUN=')
    return marked || describe(pid).includes(HOSTILE_ORPHAN)
  })
}

/** A part of the command line of a hostile child that empties its environment. */
const HOSTILE_ORPHAN = "process.on('SIGHUP', () => {})"

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

function describe(pid: string): string {
  return `${pid} ${read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').slice(0, 120)}`
}

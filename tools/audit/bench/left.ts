/** What is left of a grading after it has ended, in whatever way: processes, ports, files. Linux only. */

import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { listenersOf, listening, type Place } from '../sockets.ts'
import { carriers, mark, read } from '../survivors.ts'
import { MARK, signal, start } from './spawned.ts'

/** How a grading ends; with a signal it has told some checks by then. */
export const ENDINGS = ['by itself', 'SIGINT', 'SIGTERM', 'SIGHUP', 'SIGKILL'] as const
export type Ending = (typeof ENDINGS)[number]

export interface Left {
  readonly ending: Ending
  /** Command lines. */
  readonly processes: readonly string[]
  readonly ports: readonly number[]
  /** In its temporary folder, and in the project outside of `.workshop/`. */
  readonly files: readonly string[]
}

/** How long all of it has to be gone after the end, ms. */
const GRACE = 2_000
const WITHIN = 180_000

/** @param folder a copy of the project */
export async function leftAfter(folder: string, ending: Ending): Promise<Left> {
  const ours = mark()
  mkdirSync(join(folder, '.workshop'), { recursive: true })
  const temporary = mkdtempSync(join(folder, '.workshop', 'tmp-'))
  const before = new Set(filesOutside(folder))
  const grading = start(['npm', 'run', 'check', '3', '--', '--solutions'], {
    cwd: folder,
    env: { [ours.name]: ours.value, TMPDIR: temporary },
  })
  const ports = new Set<number>()
  const look = (): void => {
    for (const port of portsIn([...listenersOf(carriers(ours)).values()])) ports.add(port)
  }
  const looking = setInterval(look, 100)
  try {
    if (ending !== 'by itself') {
      await grading.says(new RegExp(`(${MARK.source}[^]*){4}`), 0, WITHIN)
      signal(grading, ending)
    }
    const late = setTimeout(() => signal(grading, 'SIGKILL'), WITHIN)
    await grading.ended
    clearTimeout(late)
    clearInterval(looking)
    const deadline = performance.now() + GRACE
    while (performance.now() < deadline && carriers(ours).length > 0) await sleep(20)
    const processes = carriers(ours).map(
      (pid) => `${pid} ${read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').slice(0, 100)}`,
    )
    const open = new Set(portsIn([...listening().values()]))
    return {
      ending,
      processes,
      ports: [...ports].filter((port) => open.has(port)),
      files: [...readdirSync(temporary), ...filesOutside(folder).filter((name) => !before.has(name))],
    }
  } finally {
    clearInterval(looking)
    signal(grading, 'SIGKILL')
    rmSync(temporary, { recursive: true, force: true })
  }
}

function portsIn(places: readonly Place[]): readonly number[] {
  return places.filter((place) => typeof place === 'number')
}

/** All but what is in folders that grow by themselves. */
function filesOutside(folder: string): readonly string[] {
  return readdirSync(folder).flatMap((name) =>
    ['.workshop', 'node_modules'].includes(name)
      ? []
      : ['lessons', 'solutions', 'checks'].includes(name)
        ? readdirSync(join(folder, name), { recursive: true, encoding: 'utf8' }).map((one) => join(name, one))
        : [name],
  )
}

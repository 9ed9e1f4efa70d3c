/** What is left of a grading after it has ended, in whatever way: processes, ports, files. Linux only. */

import { mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { mark, pids, read } from '../survivors.ts'
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
  const looking = setInterval(() => listenersOf(carriers(ours.value)).forEach((port) => ports.add(port)), 100)
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
    while (performance.now() < deadline && carriers(ours.value).length > 0) await sleep(20)
    const processes = carriers(ours.value).map(
      (pid) => `${pid} ${read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').slice(0, 100)}`,
    )
    const open = openPorts()
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

/** Every process that has inherited the mark: the commands themselves, the keeper, programs, loads. */
function carriers(value: string): readonly string[] {
  return pids().filter((pid) => read(`/proc/${pid}/environ`).includes(value))
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

/** The ports on which these processes listen. */
function listenersOf(processes: readonly string[]): readonly number[] {
  const sockets = new Set(processes.flatMap((pid) => linksIn(`/proc/${pid}/fd`)))
  return [...openPorts()]
    .filter(([, inodes]) => inodes.some((inode) => sockets.has(`socket:[${inode}]`)))
    .map(([port]) => port)
}

function linksIn(path: string): readonly string[] {
  try {
    return readdirSync(path).map((name) => {
      try {
        return readlinkSync(join(path, name))
      } catch {
        return ''
      }
    })
  } catch {
    return []
  }
}

const LISTEN = '0A'

/** Ports that somebody listens on, with their sockets: proc(5). */
function openPorts(): ReadonlyMap<number, readonly string[]> {
  const open = new Map<number, string[]>()
  for (const path of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of read(path).split('\n').slice(1)) {
      const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/)
      if (state !== LISTEN) continue
      const port = Number.parseInt(local.split(':')[1] ?? '', 16)
      open.set(port, [...(open.get(port) ?? []), inode])
    }
  }
  return open
}

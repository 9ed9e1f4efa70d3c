/** What has to hold when a command has ended, in whatever way: nothing of it is left, and the next one works. */

import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { listening, type Place } from '../sockets.ts'
import { carriers, describe } from '../survivors.ts'
import type { Running } from './running.ts'

/** How long all of it has to be gone after the end, ms. */
const GRACE = 2_000

export interface Left {
  readonly processes: readonly string[]
  /** Ports and Unix sockets that are still listened on. */
  readonly sockets: readonly Place[]
  readonly files: readonly string[]
}

export interface Before {
  /** The sockets on which its processes listened, by inode. */
  readonly sockets: ReadonlyMap<string, Place>
  /** A copy of the project. */
  readonly folder: string
  /** Its TMPDIR. */
  readonly temporary: string
}

/** What is left of it when its time is over; nothing as soon as there is nothing. */
export async function leftOf(running: Running, before: Before): Promise<Left> {
  const deadline = performance.now() + GRACE
  for (;;) {
    const open = listening()
    const left = {
      processes: carriers(running.mark).map(describe),
      sockets: [...before.sockets].flatMap(([inode, place]) => (open.has(inode) ? [place] : [])),
      files: filesLeft(before),
    }
    if (countOf(left) === 0 || performance.now() > deadline) return left
    await sleep(50)
  }
}

export function countOf({ processes, sockets, files }: Left): number {
  return processes.length + sockets.length + files.length
}

/** In its temporary folder; of what programs keep; half-written files, and sockets. */
function filesLeft({ folder, temporary }: Before): readonly string[] {
  const workshop = join(folder, '.workshop')
  const inside = existsSync(workshop)
    ? readdirSync(workshop).flatMap((name) =>
        name === 'cache' ? [] : entriesIn(join(workshop, name)).map((one) => join(name, one)),
      )
    : []
  return [
    ...readdirSync(temporary),
    ...inside.filter((name) => /^data\/|\.tmp$|\.sock$/.test(name)).map((name) => join('.workshop', name)),
  ]
}

function entriesIn(path: string): readonly string[] {
  try {
    return readdirSync(path, { recursive: true, encoding: 'utf8' })
  } catch {
    return []
  }
}

/** What is kept of a lesson: its text, or undefined where nothing is. */
export function keptOf(folder: string, slug: string): string | undefined {
  const path = join(folder, '.workshop', 'progress', `${slug}.json`)
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined
}

/** It is what it was, or whole and of one attempt more. */
export function problemWithKept(before: string | undefined, now: string | undefined): string | undefined {
  if (now === before) return undefined
  try {
    const [then, { attempts }] = [attemptsIn(before), JSON.parse(now ?? '') as { attempts: number }]
    return attempts === then + 1 ? undefined : `the progress tells ${attempts} attempts, after ${then}`
  } catch (error) {
    return `the progress cannot be read (${String(error)}): ${now}`
  }
}

function attemptsIn(text: string | undefined): number {
  return text === undefined ? 0 : (JSON.parse(text) as { attempts: number }).attempts
}

const mistake = 'checks/03-basic-cluster/mistakes/more/port-and-id.ts'

/** Grades a wrong program in the same project: one that fails at once, and by what it does. */
export function problemWithNext(folder: string, env: Readonly<Record<string, string>>): string | undefined {
  const cli = join(folder, 'tools', 'start.mjs')
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, 'check', '3', '--file', mistake], {
    cwd: folder,
    env: { ...process.env, ...env },
    encoding: 'utf8',
    timeout: 120_000,
  })
  if (status === 1 && stdout.includes('it listens on port')) return undefined
  return `the next check ended with ${status}:\n${stdout}${stderr}`
}

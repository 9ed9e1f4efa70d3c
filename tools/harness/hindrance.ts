/** What this machine does in the middle of a claim that lets a right program look wrong. */

import { existsSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { standstillSince } from './patience.ts'

/**
 * Why what a program did says nothing about it; undefined where nothing stood in its way.
 *
 * @param since when the claim, or the program that it is about, began (`performance.now()`)
 * @param folder where the program keeps its data; it need not be there
 */
export function hindranceSince(since: number, folder: string): string | undefined {
  const ms = standstillSince(since)
  if (ms > 0) {
    return `This machine stood still for ${Math.round(ms / 1_000)} s in the middle of it (suspended, stopped, or its clock was set).`
  }
  const code = problemWithWriting(folder)
  return code === undefined
    ? undefined
    : `Nothing more can be written to ${folder} (${code}), where programs keep their data: make room.`
}

const LESSONS = fileURLToPath(new URL('../../lessons', import.meta.url))

/**
 * That a lesson's text has changed: a program renders the texts as they were when it was started, and what it is
 * compared with may have been started since. Undefined where none has.
 *
 * @param startedAt when the program was started (milliseconds since the epoch)
 * @param lessons the folder of the lessons
 */
export function textChangedSince(startedAt: number, lessons = LESSONS): string | undefined {
  const changed = readdirSync(lessons, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(lessons, name, 'README.md'))
    .find((file) => (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0) > startedAt)
  return changed === undefined
    ? undefined
    : `${changed} has changed since the program was started, and programs serve the lessons' texts.`
}

/** As much as a small data base needs to begin with. */
const ROOM_BYTES = 4 * 1024 ** 2

function problemWithWriting(folder: string): string | undefined {
  const file = join(nearest(folder), `room-${process.pid}.tmp`)
  try {
    writeFileSync(file, Buffer.alloc(ROOM_BYTES), { flag: 'wx' })
    return undefined
  } catch (error) {
    return isFull(error) ? error.code : undefined
  } finally {
    rmSync(file, { force: true })
  }
}

function nearest(folder: string): string {
  const above = dirname(folder)
  return existsSync(folder) || above === folder ? folder : nearest(above)
}

const FULL = ['ENOSPC', 'EDQUOT', 'EFBIG']

/** Whether this error says that there is no room: on the disk, in a quota, or by a limit of this process. */
export function isFull(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error && FULL.includes(String(error.code))
}

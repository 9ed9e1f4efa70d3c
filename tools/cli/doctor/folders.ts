/** Folders that have to be written to, and whether a save in the project is noticed. */

import { mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { watchLesson } from '../lesson/watch.ts'
import { type Finding, bytesText } from './finding.ts'

/** Compiled files, progress, attempts and a program's own data. */
const leastRoom = 200 * 1024 ** 2

/** `.workshop/` in the project. */
export function lookAtProject(root: string): Finding {
  const subject = 'project folder'
  const problem = problemWithWriting(workshopOf(root))
  if (problem !== undefined) {
    return {
      subject,
      fitness: 'bad',
      found: `${workshopOf(root)} cannot be written to (${problem})`,
      advice:
        'Verdicts are right all the same, but nothing of yours can be kept: copy the project to a folder of your own.',
    }
  }
  return withRoom(subject, root)
}

export function lookAtTemporaryFolder(folder = tmpdir()): Finding {
  const subject = 'temporary files'
  const problem = problemWithWriting(folder)
  if (problem === undefined) return withRoom(subject, folder)
  return {
    subject,
    fitness: 'caution',
    found: `${folder} cannot be written to (${problem})`,
    advice:
      'The checks need no temporary folder; npm and your programs may. Name another one: export TMPDIR=…',
  }
}

const noticedWithinMs = 2000

/** Saves a file in the project and waits for the watcher that `npm run lesson N` uses. */
export async function lookAtFileEvents(
  root: string,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<Finding> {
  const subject = 'file events'
  let folder: string
  try {
    mkdirSync(workshopOf(root), { recursive: true })
    folder = mkdtempSync(join(workshopOf(root), 'doctor-'))
  } catch {
    return {
      subject,
      fitness: 'caution',
      found: 'not looked at',
      advice: 'The project folder has to be mended first.',
    }
  }
  const told: string[] = []
  let onChange = (): void => undefined
  /** Resolves to how long it took, in ms; to undefined when nothing came in time. */
  const change = (): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      signal.throwIfAborted()
      const since = performance.now()
      const late = setTimeout(() => resolve(undefined), noticedWithinMs)
      onChange = () => {
        clearTimeout(late)
        resolve(performance.now() - since)
      }
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
    })
  try {
    const opened = change()
    opened.catch(() => undefined)
    const watcher = await watchLesson(folder, {
      env,
      tell: (line) => void told.push(line),
      onChange: () => Promise.resolve(onChange()),
    })
    try {
      // It also calls back once when it has begun.
      await opened
      const saved = change()
      writeFileSync(join(folder, 'server.ts'), `// saved at ${Date.now()}\n`)
      const ms = await saved
      return judgeFileEvents(ms, told)
    } finally {
      await watcher.close()
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

export function judgeFileEvents(ms: number | undefined, told: readonly string[]): Finding {
  const subject = 'file events'
  if (ms === undefined) {
    return {
      subject,
      fitness: 'caution',
      found: `a save in the project was not noticed within ${noticedWithinMs / 1000} s`,
      advice:
        'Have the files looked at instead: EVERY_CORE_POLL=1 npm run lesson 1. Or press r after a save.',
    }
  }
  const found = `a save in the project is noticed after ${ms.toFixed(0)} ms`
  if (told.length === 0) return { subject, fitness: 'good', found }
  return {
    subject,
    fitness: 'caution',
    found,
    advice: `${told.join(' ')} A copy on a disk of this machine is quicker.`,
  }
}

function withRoom(subject: string, folder: string): Finding {
  const { bavail, bsize } = statfsSync(folder)
  const room = bavail * bsize
  const found = `${folder} can be written to, ${bytesText(room)} free`
  if (room >= leastRoom) return { subject, fitness: 'good', found }
  return { subject, fitness: 'caution', found, advice: `Make room: ${bytesText(leastRoom)} or more.` }
}

/** Why no file can be made in it, if so. */
function problemWithWriting(folder: string): string | undefined {
  try {
    mkdirSync(folder, { recursive: true })
    const mine = mkdtempSync(join(folder, 'doctor-'))
    writeFileSync(join(mine, 'file'), 'x')
    rmSync(mine, { recursive: true })
    return undefined
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error)
  }
}

function workshopOf(root: string): string {
  return join(root, '.workshop')
}

/** The starter again. The attempt is kept before anything is overwritten. */

import { cp, mkdir, readdir, rename } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { inProject } from '../../catalog.ts'
import { EnvironmentProblem } from '../../harness/problems.ts'
import { isHidden } from '../../progress/fingerprint.ts'
import { UsageError } from '../endings.ts'
import type { Visit } from './visit.ts'

/** What belongs to the lesson and not to an attempt. */
const texts = ['README.md', 'hints.md']

export async function reset({ desk, lesson }: Visit): Promise<number> {
  const starter = join(lesson.checks, 'starter')
  if (!existsSync(join(starter, 'server.ts'))) {
    throw new UsageError(`The starter ${starter} is missing. Get it back with: git checkout -- ${starter}`)
  }
  const time = new Date().toISOString().replace(/[:.]/g, '-')
  const attempt = join(desk.root, '.workshop', 'attempts', lesson.slug, time)
  try {
    await keep(lesson.folder, attempt)
    await restore(starter, lesson.folder)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new EnvironmentProblem(
      `The starter could not be put back: ${why}.`,
      `Your files are in ${lesson.folder}.`,
    )
  }
  desk.stdout.write(
    `Your attempt is kept in ${inProject(attempt, desk.root)}\n` +
      `The starter is back in  ${inProject(lesson.folder, desk.root)}\n`,
  )
  return 0
}

async function keep(folder: string, attempt: string): Promise<void> {
  await mkdir(dirname(attempt), { recursive: true })
  await cp(folder, attempt, {
    recursive: true,
    errorOnExist: true,
    preserveTimestamps: true,
    filter: (path) => !texts.includes(relative(folder, path)) && !isHidden(relative(folder, path)),
  })
}

/** Each file is whole at every moment, for an editor or a watcher that looks at it. */
async function restore(starter: string, folder: string): Promise<void> {
  const entries = await readdir(starter, { recursive: true, withFileTypes: true })
  for (const entry of entries.filter((one) => one.isFile())) {
    const source = join(entry.parentPath, entry.name)
    const target = join(folder, relative(starter, source))
    await mkdir(dirname(target), { recursive: true })
    const temporary = join(dirname(target), `.${basename(target)}.${process.pid}.tmp`)
    await cp(source, temporary)
    await rename(temporary, target)
  }
}

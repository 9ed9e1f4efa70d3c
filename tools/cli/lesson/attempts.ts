/** A learner's attempts: kept before anything is overwritten. */

import { cp, mkdir, readdir, rename } from 'node:fs/promises'
import { basename, dirname, join, relative } from 'node:path'
import { inProject } from '../../catalog.ts'
import { EnvironmentProblem } from '../../harness/problems.ts'
import { isHidden } from '../../progress/fingerprint.ts'
import type { Visit } from './visit.ts'

/** What belongs to the lesson and not to an attempt. */
const texts = ['README.md', 'hints.md', 'predict.md']

/**
 * Keeps the learner's files of a lesson under `.workshop/attempts/`, then copies those of a folder over them. Files of
 * the learner's own that the folder does not have stay where they are.
 * @param what the folder's files in a sentence: "The starter"
 * @returns where the attempt is, relative to the project
 * @throws EnvironmentProblem when a file cannot be read or written
 */
export async function replaceFiles({ desk, lesson }: Visit, folder: string, what: string): Promise<string> {
  const time = new Date().toISOString().replace(/[:.]/g, '-')
  const attempt = join(desk.root, '.workshop', 'attempts', lesson.slug, time)
  try {
    await keep(lesson.folder, attempt)
    await putIn(folder, lesson.folder)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new EnvironmentProblem(
      `${what} could not be put in: ${why}.`,
      `Your files are in ${lesson.folder}.`,
    )
  }
  return inProject(attempt, desk.root)
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
async function putIn(source: string, folder: string): Promise<void> {
  const entries = await readdir(source, { recursive: true, withFileTypes: true })
  for (const entry of entries.filter((one) => one.isFile())) {
    const from = join(entry.parentPath, entry.name)
    const target = join(folder, relative(source, from))
    await mkdir(dirname(target), { recursive: true })
    const temporary = join(dirname(target), `.${basename(target)}.${process.pid}.tmp`)
    await cp(from, temporary)
    await rename(temporary, target)
  }
}

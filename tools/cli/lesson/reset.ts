/** The starter again. */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { inProject } from '../../catalog.ts'
import { UsageError } from '../endings.ts'
import { replaceFiles } from './attempts.ts'
import type { Visit } from './visit.ts'

export async function reset(visit: Visit): Promise<number> {
  const { desk, lesson } = visit
  const starter = join(lesson.checks, 'starter')
  if (!existsSync(join(starter, 'server.ts'))) {
    throw new UsageError(`The starter ${starter} is missing. Get it back with: git checkout -- ${starter}`)
  }
  const attempt = await replaceFiles(visit, starter, 'The starter')
  desk.stdout.write(
    `Your attempt is kept in ${attempt}\n` +
      `The starter is back in  ${inProject(lesson.folder, desk.root)}\n`,
  )
  return 0
}

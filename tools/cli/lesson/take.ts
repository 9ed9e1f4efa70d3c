/** The reference solution in place of the learner's files: for who is late, or has to go on. */

import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { inProject } from '../../catalog.ts'
import { UsageError } from '../endings.ts'
import { replaceFiles } from './attempts.ts'
import type { Visit } from './visit.ts'

export async function take(visit: Visit): Promise<number> {
  const { desk, lesson } = visit
  const folder = dirname(lesson.solution)
  if (!existsSync(lesson.solution)) {
    throw new UsageError(`${lesson.solution} is missing. Get it back with: git checkout -- ${folder}`)
  }
  const attempt = await replaceFiles(visit, folder, 'The solution')
  desk.stdout.write(
    `Your attempt is kept in ${attempt}\n` +
      `The solution is now in  ${inProject(lesson.folder, desk.root)}\n`,
  )
  return 0
}

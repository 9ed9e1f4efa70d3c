/** What to grade: the learner's file of a lesson, its reference solution, or any other file. */

import { existsSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Lesson } from '../catalog.ts'
import type { Subject } from '../harness/grading.ts'
import { UsageError } from './endings.ts'

/** The learner's own file. @throws UsageError when it is gone */
export function learnersSubject(lesson: Lesson): Subject {
  if (!existsSync(lesson.starter)) {
    throw new UsageError(
      `${lesson.starter} is missing. Get the starter with: npm run lesson ${lesson.number} reset`,
    )
  }
  return subject(lesson, lesson.starter)
}

export function solutionsSubject(lesson: Lesson): Subject {
  return subject(lesson, lesson.solution)
}

/** @param path relative to the project, or absolute. @throws UsageError when there is no such file */
export function fileSubject(lesson: Lesson, path: string, root: string): Subject {
  const file = resolve(root, path)
  const found = statSync(file, { throwIfNoEntry: false })
  if (found === undefined)
    throw new UsageError(`There is no file ${file} (--file is relative to the project).`)
  if (!found.isFile()) throw new UsageError(`${file} is not a file: --file names the program to grade.`)
  // A program that is not found would be blamed for it. start.mjs refuses a project in such a place.
  const sign = /[#?*]/.exec(file)?.[0]
  if (sign !== undefined) {
    throw new UsageError(
      `${file} has a ${sign} in its path, which tsx takes for something else: rename or move the file.`,
    )
  }
  return subject(lesson, file)
}

function subject(lesson: Lesson, file: string): Subject {
  return { number: lesson.number, slug: lesson.slug, file, check: lesson.check }
}

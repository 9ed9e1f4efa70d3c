/** What every program in the repository is there to show: the verdict that its checker has to reach. */

import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { inProject, type Lesson } from '../catalog.ts'

export interface Expectation {
  readonly lesson: Lesson
  /** Absolute. */
  readonly file: string
  readonly kind: 'starter' | 'solution' | 'mistake' | 'variant'
  /** The check that fails; undefined where all pass, or where any may fail first. */
  readonly caughtBy: string | undefined
  /** Where the message that a learner sees is pinned; undefined where none comes. */
  readonly transcript: string | undefined
}

/** The starter as it was given, the solution, and all mistakes and variants of one lesson. */
export function expectationsOf(lesson: Lesson): readonly Expectation[] {
  const starter = join(lesson.checks, 'starter', 'server.ts')
  const transcriptOf = (file: string): string => join(lesson.checks, 'transcripts', `${nameOf(file)}.txt`)
  return [
    { lesson, file: starter, kind: 'starter', caughtBy: undefined, transcript: transcriptOf('starter') },
    { lesson, file: lesson.solution, kind: 'solution', caughtBy: undefined, transcript: undefined },
    ...programsIn(lesson, 'mistakes').map((file) => ({
      lesson,
      file,
      kind: 'mistake' as const,
      caughtBy: caughtBy(file),
      transcript: transcriptOf(file),
    })),
    ...programsIn(lesson, 'variants').map((file) => ({
      lesson,
      file,
      kind: 'variant' as const,
      caughtBy: undefined,
      transcript: undefined,
    })),
  ]
}

/** The entry files of a folder; what lies in folders below it belongs to one of them. */
export function programsIn(lesson: Lesson, folder: 'mistakes' | 'variants'): readonly string[] {
  return readdirSync(join(lesson.checks, folder), { withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.[cm]?[jt]s$/.test(entry.name))
    .map((entry) => join(lesson.checks, folder, entry.name))
    .sort()
}

function caughtBy(file: string): string {
  const [first = ''] = readFileSync(file, 'utf8').split('\n')
  const name = /^\/\/ caught by: (.+)$/.exec(first)?.[1]
  if (name === undefined) {
    throw new Error(`${inProject(file)} has to start with a line \`// caught by: <name of the check>\``)
  }
  return name.trim()
}

function nameOf(file: string): string {
  return basename(file).replace(/\.[cm]?[jt]s$/, '')
}

/** What every program in the repository is there to show: the verdict that its checker has to reach. */

import { existsSync, readdirSync, readFileSync } from 'node:fs'
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

/**
 * The starter as it was given, the solution, the mistakes and the variants of one lesson. With `more`, also the
 * programs in `mistakes/more/` and `variants/more/`, which say again what others say, in another way.
 */
export function expectationsOf(lesson: Lesson, { more }: { readonly more: boolean }): readonly Expectation[] {
  const programs = (folder: 'mistakes' | 'variants'): readonly string[] => [
    ...programsIn(join(lesson.checks, folder)),
    ...(more ? programsIn(join(lesson.checks, folder, 'more')) : []),
  ]
  const starter = join(lesson.checks, 'starter', 'server.ts')
  const transcriptOf = (file: string): string => join(lesson.checks, 'transcripts', `${nameOf(file)}.txt`)
  return [
    { lesson, file: starter, kind: 'starter', caughtBy: undefined, transcript: transcriptOf('starter') },
    { lesson, file: lesson.solution, kind: 'solution', caughtBy: undefined, transcript: undefined },
    ...programs('mistakes').map((file) => ({
      lesson,
      file,
      kind: 'mistake' as const,
      caughtBy: caughtBy(file),
      transcript: transcriptOf(file),
    })),
    ...programs('variants').map((file) => ({
      lesson,
      file,
      kind: 'variant' as const,
      caughtBy: undefined,
      transcript: undefined,
    })),
  ]
}

/** The names of a lesson's checks, as they are declared. */
export function checkNames(lesson: Lesson): readonly string[] {
  const source = readFileSync(lesson.check, 'utf8')
  return [...source.matchAll(/^check\((['"])(.+)\1, /gm)].map((match) =>
    (match[2] ?? '').replaceAll(String.raw`\'`, "'"),
  )
}

/** The share of the speed-up that a lesson asks for; undefined where it measures none. */
export function shareAskedFor(lesson: Lesson): number | undefined {
  const share = /\.toGetShare\(([\d.]+),/.exec(readFileSync(lesson.check, 'utf8'))?.[1]
  return share === undefined ? undefined : Number(share)
}

/** The entry files of a folder; what lies in folders below it belongs to one of them. */
export function programsIn(folder: string): readonly string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.[cm]?[jt]s$/.test(entry.name))
    .map((entry) => join(folder, entry.name))
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

/** Which lessons exist: read from the folders, nowhere else. */

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The project's root folder, absolute, without a trailing separator. */
export const projectRoot: string = fileURLToPath(new URL('..', import.meta.url)).replace(/[/\\]$/, '')

export interface Lesson {
  readonly number: number
  /** The folder's name, `03-basic-cluster`: what progress and results call the lesson. */
  readonly slug: string
  /** The first heading of its README, without the number; a preview says that it is one. */
  readonly title: string
  /** Whether its checker has still to be judged: there is a `PREVIEW.md` in its folder of checks, which says what is missing. */
  readonly preview: boolean
  /** Absolute paths. */
  readonly folder: string
  readonly readme: string
  readonly hints: string
  /** Questions to guess at; not every lesson has them. */
  readonly predict: string
  readonly starter: string
  readonly solution: string
  readonly checks: string
  readonly check: string
}

/** All lessons in order. */
export function lessons(root: string = projectRoot): readonly Lesson[] {
  return readdirSync(join(root, 'lessons'))
    .filter((name) => /^\d\d-/.test(name))
    .sort()
    .map((slug) => lessonAt(root, slug))
}

/** A path as people and results write it: relative to the project, with forward slashes. */
export function inProject(path: string, root: string = projectRoot): string {
  return relative(root, path).split(sep).join('/')
}

function lessonAt(root: string, slug: string): Lesson {
  const folder = join(root, 'lessons', slug)
  const checks = join(root, 'checks', slug)
  const preview = existsSync(join(checks, 'PREVIEW.md'))
  const title = titleOf(join(folder, 'README.md')) ?? slug.slice(3).replaceAll('-', ' ')
  return {
    number: Number(slug.slice(0, 2)),
    slug,
    title: preview ? `${title} (preview)` : title,
    preview,
    folder,
    readme: join(folder, 'README.md'),
    hints: join(folder, 'hints.md'),
    predict: join(folder, 'predict.md'),
    starter: join(folder, 'server.ts'),
    solution: join(root, 'solutions', slug, 'server.ts'),
    checks,
    check: join(checks, 'check.ts'),
  }
}

function titleOf(readme: string): string | undefined {
  if (!existsSync(readme)) return undefined
  const heading = /^# (?:\d+ · )?(.+)$/m.exec(readFileSync(readme, 'utf8'))
  return heading?.[1]?.trim()
}

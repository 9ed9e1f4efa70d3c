/** What the reference solution does differently from the learner's files: a unified diff. */

import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { structuredPatch } from 'diff'
import { inProject } from '../../catalog.ts'
import { sourcesIn } from '../../progress/fingerprint.ts'
import { UsageError } from '../endings.ts'
import type { Page } from '../screen/lines.ts'
import { show } from './pager.ts'
import { type Visit, pageOf } from './visit.ts'

export async function solution(visit: Visit, wishes: { readonly pager: boolean }): Promise<number> {
  const lines = await solutionLines(visit)
  await show(`${lines.join('\n')}\n`, visit.desk, wishes)
  return 0
}

export async function solutionLines(visit: Visit): Promise<readonly string[]> {
  const { lesson, desk } = visit
  const folder = dirname(lesson.solution)
  if (!existsSync(lesson.solution)) {
    throw new UsageError(`${lesson.solution} is missing. Get it back with: git checkout -- ${folder}`)
  }
  const page = pageOf(visit)
  const diffs = (await sourcesIn(folder)).map((file) => {
    const theirs = join(lesson.folder, relative(folder, file))
    return fileLines(theirs, file, desk.root, page)
  })
  const changed = diffs.filter((lines) => lines.length > 0).flat()
  return changed.length > 0 ? changed : ['Your files are the reference solution.']
}

function fileLines(theirs: string, ours: string, root: string, { paint }: Page): readonly string[] {
  const { hunks } = structuredPatch(theirs, ours, textOf(theirs), textOf(ours), '', '', { context: 3 })
  if (hunks.length === 0) return []
  const colours = { '-': paint.red, '+': paint.green }
  return [
    paint.bold(paint.red(`--- ${existsSync(theirs) ? inProject(theirs, root) : '/dev/null'}`)),
    paint.bold(paint.green(`+++ ${inProject(ours, root)}`)),
    ...hunks.flatMap((hunk) => [
      paint.cyan(`@@ -${hunk.oldStart},${hunk.oldLines} +${hunk.newStart},${hunk.newLines} @@`),
      ...hunk.lines.map((line) => {
        const sign = line.charAt(0)
        return sign === '-' || sign === '+' ? colours[sign](line) : line
      }),
    ]),
  ]
}

function textOf(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : ''
}

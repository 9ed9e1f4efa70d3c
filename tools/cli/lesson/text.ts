/** A lesson's texts, ready for the output. */

import { readFileSync } from 'node:fs'
import { hintsOf } from '../../reader/hints.ts'
import { taskOf } from '../../reader/outline.ts'
import { renderMarkdown } from '../../reader/terminal.ts'
import type { Page } from '../screen/lines.ts'
import { UsageError } from '../endings.ts'
import { type Visit, pageOf } from './visit.ts'

/** The title and the task. */
export function taskText(visit: Visit): string {
  return shown(taskOf(readText(visit.lesson.readme)), visit)
}

/** The whole of it. */
export function wholeText(visit: Visit): string {
  return shown(readText(visit.lesson.readme), visit)
}

/** The hints for one check, weakest first. */
export function hintTexts(visit: Visit, check: string): readonly string[] {
  return (hintsOf(readText(visit.lesson.hints)).get(check) ?? []).map((hint) => shown(hint, visit))
}

function shown(markdown: string, visit: Visit): string {
  const page: Page = pageOf(visit)
  return renderMarkdown(markdown, { columns: page.columns, colour: page.paint.isColorSupported }).trimEnd()
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    throw new UsageError(`${path} is missing. Get it back with: git checkout -- ${path}`)
  }
}

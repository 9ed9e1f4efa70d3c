/** A learner at one lesson. */

import { type Lesson, inProject } from '../../catalog.ts'
import type { Desk, Output } from '../desk.ts'
import { columnsOf, wrap } from '../screen/fit.ts'
import type { Heading, Page } from '../screen/lines.ts'
import type { Live } from '../screen/live.ts'
import { type ColourWish, paintFor, wantsColour } from '../screen/paint.ts'

export interface Visit {
  readonly desk: Desk
  readonly lesson: Lesson
  /** All lessons, in order. */
  readonly lessons: readonly Lesson[]
  readonly colour: ColourWish
}

/** Standard output as it is now: a window may have been resized. */
export function pageOf({ desk, colour }: Pick<Visit, 'desk' | 'colour'>): Page {
  return pageOn(desk.stdout, desk, colour)
}

export function pageOn(output: Output, desk: Desk, colour: ColourWish): Page {
  return { columns: columnsOf(output), paint: paintFor(wantsColour(output, desk.env, colour)) }
}

export function headingOf({ desk, lesson }: Visit): Heading {
  return { number: lesson.number, title: lesson.title, file: inProject(lesson.starter, desk.root) }
}

/** What of this machine matters, above everything else; nothing where nothing does. */
export async function cautionLines(desk: Desk, { columns, paint }: Page): Promise<readonly string[]> {
  const caution = await desk.caution()
  return caution === undefined ? [] : [...wrap(caution, columns).map(paint.yellow), '']
}

/** Tells one line on standard error; where that is the terminal that something is drawn on, above the drawing. */
export function warnOn(desk: Desk, live?: Live): (line: string) => void {
  return (line) => {
    if (live?.drawing === true && desk.stderr.isTTY === true) live.print([line])
    else desk.stderr.write(`${line}\n`)
  }
}

/** Tells a grading as it happens: a line for each check that ended, a live one for the check that runs. */

import type { GradingEvent, Slice } from '../../harness/grading.ts'
import type { CheckResult } from '../../harness/verdict.ts'
import { barLines } from './bars.ts'
import { columnsOf, fit, pad, widthOf, type Sized } from './fit.ts'
import { type Heading, type Page, checkLines, headingLines, secondsOf } from './lines.ts'
import type { Live } from './live.ts'
import type { Paint } from './paint.ts'
import { keepTimeline } from '../timelines.ts'
import { timelineLines } from './timeline.ts'

export interface GradingScreen {
  readonly onEvent: (event: GradingEvent) => void
  /** What changes in place now. */
  frame(): readonly string[]
  /** What to print above the next heading. */
  introduce(lines: readonly string[]): void
  /** The grading was cancelled, by what. */
  cancel(why: string): void
}

export interface GradingScreenOptions {
  readonly live: Live
  readonly output: Sized
  readonly paint: Paint
  headingOf(slug: string): Heading
  /** The project: a failed check's timeline is kept in it. */
  readonly root: string
  /** Whether one lesson is graded, so that there is room for its timeline. */
  readonly alone: boolean
}

interface Running {
  readonly name: string
  readonly since: number
  readonly slices: readonly Slice[]
}

const spinner = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']

export function gradingScreen(options: GradingScreenOptions): GradingScreen {
  const { live, output, paint, headingOf, root, alone } = options
  let running: Running | undefined
  let starting: number | undefined
  let names: readonly string[] = []
  let printed = new Set<string>()
  /** Printed with the first line below it: a grading that is cancelled before that leaves no trace. */
  let heading: readonly string[] = []
  let introduction: readonly string[] = []
  /** Printed with the check that it belongs to. */
  let timeline: readonly string[] = []
  const page = (): Page => ({ columns: columnsOf(output), paint })

  const print = (lines: readonly string[]): void => {
    live.print([...heading, ...lines])
    heading = []
  }

  const begin = (name: string | undefined): void => {
    if (name === undefined || name === running?.name || printed.has(name)) return
    running = { name, since: performance.now(), slices: [] }
    live.refresh()
  }

  const onEvent = (event: GradingEvent): void => {
    switch (event.type) {
      case 'lesson-started':
        names = []
        printed = new Set()
        starting = performance.now()
        running = undefined
        heading = [...introduction, ...headingLines(headingOf(event.slug), page())]
        introduction = []
        return live.refresh()
      case 'checks-known':
        names = event.names
        return begin(names[0])
      case 'trial':
      case 'throughput':
        return
      case 'check-started':
        return begin(event.name)
      case 'slice':
        if (running !== undefined) running = { ...running, slices: [...running.slices, event.slice] }
        return live.refresh()
      case 'timeline': {
        const path = keepTimeline(root, event)
        const got = event.result.got ?? ''
        timeline = alone ? timelineLines(event.timeline, { page: page(), path, got }) : []
        return
      }
      case 'check-finished':
        printed.add(event.result.name)
        if (running?.name === event.result.name) running = undefined
        // The runner tells of a start when it comes to it, which may be late: checks run in order.
        if (goesOn(event.result)) begin(names[names.indexOf(event.result.name) + 1])
        print([...checkLines(event.result, page()), ...timeline])
        timeline = []
        return
      case 'lesson-finished': {
        running = undefined
        starting = undefined
        const missing = event.result.checks.filter((check) => !printed.has(check.name))
        return print([...missing.flatMap((check) => checkLines(check, page())), ''])
      }
    }
  }

  const frame = (): readonly string[] => {
    if (running === undefined)
      return starting === undefined ? [] : [...heading, runningLine('…', starting, page())]
    const bars = running.slices.length === 0 ? [] : barLines(running.slices, page())
    return [...heading, runningLine(running.name, running.since, page()), ...bars]
  }

  const cancel = (why: string): void => {
    running = undefined
    starting = undefined
    if (heading.length === 0 && printed.size > 0) live.print([`  ${paint.gray(why)}`, ''])
    heading = []
    printed = new Set()
  }

  const introduce = (lines: readonly string[]): void => {
    introduction = lines
  }

  return { onEvent, frame, introduce, cancel }
}

/** After a check that did not pass the rest are skipped; one that this platform does not have says so in a note. */
function goesOn({ verdict, note }: CheckResult): boolean {
  return verdict === 'passed' || (verdict === 'skipped' && note !== undefined)
}

function runningLine(name: string, since: number, { columns, paint }: Page): string {
  const now = performance.now()
  const sign = spinner[Math.floor(now / 120) % spinner.length] ?? '·'
  const aside = secondsOf(now - since)
  const room = columns - 4 - widthOf(aside)
  return `  ${paint.cyan(sign)} ${pad(fit(name, room - 2), room)}${paint.gray(aside)}`
}

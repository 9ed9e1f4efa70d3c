/** `npm run check`: grades lessons, tells it line by line or as one document. */

import { type Lesson, lessons as allLessons } from '../catalog.ts'
import { colourAskedFor, readArguments } from './arguments.ts'
import { reserveOutputs } from './check/outputs.ts'
import { chooseLesson } from './choice.ts'
import type { Subject } from '../harness/grading.ts'
import type { Desk } from './desk.ts'
import { UsageError, endWell } from './endings.ts'
import { pageOn } from './lesson/visit.ts'
import { fileSubject, learnersSubject, solutionsSubject } from './subjects.ts'

export function main(args: readonly string[]): Promise<number> {
  return endWell((desk) => check(args, desk))
}

/** @returns 0 all passed · 1 something failed · 3 inconclusive, nothing failed · 4 a checker is at fault */
export async function check(args: readonly string[], desk: Desk): Promise<number> {
  const { flags, values, operands } = await readArguments(args, {
    json: 'flag',
    output: 'FILE',
    junit: 'FILE',
    markdown: 'FILE',
    compare: 'flag',
    solutions: 'flag',
    file: 'PATH',
    seed: 'N',
    color: 'flag',
    'no-color': 'flag',
    help: 'flag',
  })
  if (flags.help) {
    desk.stdout.write(help)
    return 0
  }
  const colour = colourAskedFor(flags)
  if (flags.compare) return await compare(operands, desk, colour)
  const chosen = await choose(operands, allLessons(desk.root))
  if (values.file !== undefined && (operands.length !== 1 || flags.solutions)) throw new UsageError(fileUsage)
  const seed = seedFrom(values.seed)
  const subjects = chosen.map((lesson) => ({
    ...subjectOf(lesson, values.file, flags.solutions, desk.root),
    seed,
  }))
  using outputs = reserveOutputs(values, chosen, desk.root)
  const interruption = desk.interruption()
  // The runner takes a while to open; all else is loaded in that time.
  const opening = desk.openGrader()
  opening.catch(() => undefined)
  const { gradeAll } = await import('./check/grade-all.ts')
  return await gradeAll({
    desk,
    opening,
    interruption,
    subjects,
    lessons: chosen,
    json: flags.json,
    outputs,
    seed,
    colour,
    learners: values.file === undefined && !flags.solutions,
  })
}

function subjectOf(lesson: Lesson, file: string | undefined, solution: boolean, root: string): Subject {
  if (file !== undefined) return fileSubject(lesson, file, root)
  return solution ? solutionsSubject(lesson) : learnersSubject(lesson)
}

/** A run without a seed draws one, so that its results can name it. */
function seedFrom(text: string | undefined): number {
  if (text === undefined) return Math.floor(Math.random() * 1e6)
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new UsageError(`--seed takes a whole number of at most nine digits, not ${text}.`)
}

async function compare(paths: readonly string[], desk: Desk, colour: boolean | undefined): Promise<number> {
  const { compareLines } = await import('./check/compare.ts')
  const lines = compareLines(paths, desk.root, pageOn(desk.stdout, desk, colour))
  desk.stdout.write(lines.map((line) => `${line}\n`).join(''))
  return 0
}

async function choose(operands: readonly string[], lessons: readonly Lesson[]): Promise<readonly Lesson[]> {
  if (operands.length === 0) return lessons
  const chosen = await Promise.all(operands.map((operand) => chooseLesson(operand, lessons)))
  return [...new Set(chosen)]
}

const fileUsage = 'Give the number of one lesson with --file: npm run check -- 3 --file PATH'

const help = `Grades lessons.

  npm run check                        all lessons
  npm run check 3 5                    these

Options stand after \`--\`:

  npm run check -- 3 --json            the results as JSON on standard output, and nothing else
  npm run check -- --output FILE       the same document in a file
  npm run check -- --junit FILE        as JUnit XML, for CI
  npm run check -- --markdown FILE     as Markdown, added to the end of that file ($GITHUB_STEP_SUMMARY)
  npm run check -- --compare A B       two documents of --output side by side; nothing is graded
  npm run check -- --solutions         the reference solutions in place of your files
  npm run check -- 3 --file PATH       one file (relative to the project, or absolute) in place of yours
  npm run check -- 10 --seed N         the faults of the final exam in the order that this seed gives
  npm run check -- --no-color          no colour (NO_COLOR and FORCE_COLOR work too)

Exit codes: 0 all passed, 1 something failed, 2 wrong usage or an unfit machine,
3 inconclusive and nothing failed, 4 the workshop itself is at fault.
`

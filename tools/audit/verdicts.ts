/** The tests of the checkers: every program in the repository gets the verdict that it is there to show. */

import { existsSync } from 'node:fs'
import { inProject, lessons, projectRoot, type Lesson } from '../catalog.ts'
import { openGrader, type Grader } from '../harness/grading.ts'
import type { CheckResult, LessonResult } from '../harness/verdict.ts'
import { expectationsOf, type Expectation } from './expectations.ts'
import type { Tally } from './tally.ts'
import { compareTranscript, transcriptOf } from './transcript.ts'

export interface VerdictOptions {
  /** Only these lessons; all unless told. */
  readonly numbers?: readonly number[]
  /** Only programs whose path holds this. */
  readonly filter?: string
  /** Also the programs under `more/`. */
  readonly more?: boolean
  /** The variants as well; mistakes from the first check on, and not by the one that catches them. */
  readonly whole?: boolean
  /** Writes the messages that are not pinned yet. */
  readonly update?: boolean
}

/** Grades every program and counts those with the right verdict. */
export async function auditVerdicts(tally: Tally, options: VerdictOptions = {}): Promise<void> {
  await using grader = await openGrader({ root: projectRoot })
  const expectations = lessons()
    .filter((lesson) => isWanted(lesson, options))
    .flatMap((lesson) => {
      const all = expectationsOf(lesson, { more: options.more === true })
      // A right program takes up to a minute, and there are three for each lesson beside the solution.
      return options.whole === true ? all : all.filter(({ kind }) => kind !== 'variant')
    })
    .filter(({ file }) => options.filter === undefined || file.includes(options.filter))
  for (const expectation of expectations) {
    const started = performance.now()
    const problem = await problemWith(grader, expectation, options)
    tally.add(
      `${expectation.kind.padEnd(8)} ${inProject(expectation.file)}`,
      problem,
      performance.now() - started,
    )
  }
}

function isWanted(lesson: Lesson, { numbers, filter }: VerdictOptions): boolean {
  if (numbers !== undefined && !numbers.includes(lesson.number)) return false
  // A preview's programs are graded by whoever names them: they are what is still being worked on.
  const isNamed = numbers !== undefined || filter !== undefined
  if (!lesson.preview || isNamed) return true
  console.log(
    `· ${lesson.slug} is a preview: its verdicts are left out, see checks/${lesson.slug}/PREVIEW.md`,
  )
  return false
}

async function problemWith(
  grader: Grader,
  expectation: Expectation,
  { update = false, whole = false }: VerdictOptions,
): Promise<string | undefined> {
  const { number, slug, check } = expectation.lesson
  // The check that has to catch it, alone; or all before it as well, which have to let it pass.
  const only = whole ? undefined : expectation.caughtBy
  let result: LessonResult | undefined
  // Inconclusive is no verdict: another program had the cores. It is asked again, and says so.
  for (let tries = 1; tries <= 3 && (result === undefined || result.verdict === 'inconclusive'); tries += 1) {
    if (result !== undefined) console.log(`  inconclusive, once more: ${inProject(expectation.file)}`)
    const { lessons: graded } = await grader.grade([
      { number, slug, check, file: expectation.file, ...(only !== undefined && { only }) },
    ])
    result = graded[0]
  }
  if (result === undefined) return 'there is no result'
  if (expectation.kind === 'solution' || expectation.kind === 'variant') return problemWithRight(result)
  return problemWithWrong(result, expectation, update)
}

function problemWithRight(result: LessonResult): string | undefined {
  if (result.verdict !== 'passed')
    return `it is right, and the verdict is ${result.verdict}: ${describe(notPassed(result))}`
  const skipped = result.checks.filter((check) => check.verdict === 'skipped')
  if (process.env.CI === 'true' && skipped.length > 0)
    return `under CI nothing may be skipped: ${skipped[0]?.name}`
  return undefined
}

function problemWithWrong(
  result: LessonResult,
  { file, caughtBy, transcript }: Expectation,
  update: boolean,
): string | undefined {
  if (result.verdict !== 'failed')
    return `it is wrong, and the verdict is ${result.verdict}: ${describe(notPassed(result))}`
  const failed = result.checks.find((check) => check.verdict === 'failed')
  if (failed === undefined) return 'no check failed'
  if (caughtBy !== undefined && failed.name !== caughtBy) {
    return `it has to be caught by “${caughtBy}”, and it was by ${describe(failed)}`
  }
  if (transcript === undefined) return undefined
  // What stands under more/ may do without a transcript, not with one that differs.
  if (!update && file.includes('/more/') && !existsSync(transcript)) return undefined
  const difference = compareTranscript(transcript, transcriptOf(failed), update)
  // Told, and no failure: the `likely` of a throughput claim still differs with what else the machine does.
  if (difference !== undefined) console.log(`~ ${difference}`)
  return undefined
}

function notPassed(result: LessonResult): CheckResult | undefined {
  return result.checks.find((check) => check.verdict !== 'passed' && check.verdict !== 'skipped')
}

function describe(check: CheckResult | undefined): string {
  return check === undefined ? 'no check' : `“${check.name}” ${JSON.stringify({ ...check, name: undefined })}`
}

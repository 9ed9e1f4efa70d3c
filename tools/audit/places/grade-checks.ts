/**
 * Grades single checks of solutions, on the Node and in the place that this is run in: a line of JSON for each, as soon
 * as it is known. Arguments: the number of a lesson and the name of its check, again and again.
 */

import { lessons, projectRoot } from '../../catalog.ts'
import { openGrader } from '../../harness/grading.ts'
import type { CheckResult } from '../../harness/verdict.ts'

export interface GradedCheck {
  readonly lesson: number
  readonly name: string
  readonly node: string
  readonly result: CheckResult | undefined
  readonly ms: number
  /** How often it was graded: an inconclusive one is asked again. */
  readonly tries: number
}

const MOST_TRIES = 3

const words = process.argv.slice(2)
await using grader = await openGrader({ root: projectRoot })
while (words.length > 0) {
  const [number, only = ''] = words.splice(0, 2)
  const lesson = lessons().find((one) => one.number === Number(number))
  if (lesson === undefined) throw new Error(`there is no lesson ${number}`)
  const { slug, check, solution: file } = lesson
  const started = performance.now()
  let result: CheckResult | undefined
  let tries = 0
  do {
    tries += 1
    const graded = await grader.grade([{ number: lesson.number, slug, check, file, only }])
    result = graded.lessons[0]?.checks.find(({ name }) => name === only)
  } while (result?.verdict === 'inconclusive' && tries < MOST_TRIES)
  const ms = performance.now() - started
  const line: GradedCheck = {
    lesson: lesson.number,
    name: only,
    node: process.version,
    result,
    ms,
    tries,
  }
  console.log(JSON.stringify(line))
}

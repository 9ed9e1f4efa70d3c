/**
 * Grades a part of the sample on the Node that runs this: a line of JSON for each check, as soon as it is known.
 * Arguments: which of the Nodes this is, from 0, and how many there are.
 */

import { lessons, projectRoot } from '../../catalog.ts'
import { openGrader } from '../../harness/grading.ts'
import type { CheckResult } from '../../harness/verdict.ts'
import { sampleFor } from './sample.ts'

/** What of one sampled check is known. */
export interface SampledResult {
  readonly lesson: number
  readonly name: string
  readonly node: string
  readonly result: CheckResult | undefined
  readonly ms: number
  /** How often it was graded: an inconclusive one is asked again. */
  readonly tries: number
}

const MOST_TRIES = 3
const [index = 0, nodes = 1] = process.argv.slice(2).map(Number)

await using grader = await openGrader({ root: projectRoot })
for (const { lesson: number, check: only } of sampleFor(index, nodes)) {
  const lesson = lessons().find((one) => one.number === number)
  if (lesson === undefined) throw new Error(`there is no lesson ${number}`)
  const { slug, check, solution: file } = lesson
  const started = performance.now()
  let result: CheckResult | undefined
  let tries = 0
  do {
    tries += 1
    const graded = await grader.grade([{ number, slug, check, file, only }])
    result = graded.lessons[0]?.checks.find(({ name }) => name === only)
  } while (result?.verdict === 'inconclusive' && tries < MOST_TRIES)
  const line: SampledResult = {
    lesson: number,
    name: only,
    node: process.version,
    result,
    ms: performance.now() - started,
    tries,
  }
  console.log(JSON.stringify(line))
}

/** Programs that mean no good: each is a failed check with a message that names what it did, and leaves nothing. */

import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { inProject, lessons, projectRoot } from '../catalog.ts'
import { openGrader } from '../harness/grading.ts'
import { mark, survivors } from './survivors.ts'
import type { Tally } from './tally.ts'

const folder = join(projectRoot, 'tools', 'audit', 'hostile')

/** Grades each of them as a program of lesson 2. */
export async function auditHostile(tally: Tally): Promise<void> {
  const lesson = lessons().find(({ number }) => number === 2)
  if (lesson === undefined) return
  const { number, slug, check } = lesson
  const ours = mark()
  process.env[ours.name] = ours.value
  await using grader = await openGrader({ root: projectRoot })
  for (const name of readdirSync(folder).sort()) {
    const file = join(folder, name)
    const started = performance.now()
    const { lessons: graded } = await grader.grade([{ number, slug, check, file }])
    const failed = graded[0]?.checks.find((one) => one.verdict === 'failed')
    const wanted = (/^\/\/ says: (.+)$/m.exec(readFileSync(file, 'utf8'))?.[1] ?? '(missing)').split(' | ')
    const said = `${failed?.expected} ${failed?.got}`
    const problem =
      graded[0]?.verdict !== 'failed'
        ? `the verdict is ${graded[0]?.verdict}: ${JSON.stringify(graded[0]?.checks.find((one) => one.verdict !== 'passed'))}`
        : wanted.some((words) => said.includes(words))
          ? await survivors(ours, { within: 2_000 })
          : `it says ${said}`
    tally.add(`hostile  ${inProject(file)}`, problem, performance.now() - started)
  }
}

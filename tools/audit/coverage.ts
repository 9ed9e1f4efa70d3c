/** `npm run coverage`: which check answers for which sentence of a contract, and which mistakes show that it does. */

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { inProject, lessons, projectRoot, type Lesson } from '../catalog.ts'
import { answersOf, problemsWith } from './coverage/answers.ts'
import { answersFile, coverageOf, sectionFor, summaryOf, type Coverage } from './coverage/table.ts'
import { checkNames } from './expectations.ts'
import type { Tally } from './tally.ts'

const usage = `npm run coverage                  writes checks/COVERAGE.md
npm run coverage -- --lesson N    prints the table of one lesson, and writes nothing`

const file = join(projectRoot, 'checks', 'COVERAGE.md')

export async function main(args: readonly string[]): Promise<number> {
  const chosen = read(args)
  if (chosen === undefined) return 2
  const problems = chosen.flatMap((lesson) =>
    problemsOf(lesson).map((problem) => `${inProject(answersFile(lesson))}: ${problem}`),
  )
  if (problems.length > 0) {
    console.error(problems.join('\n'))
    return 1
  }
  const all = chosen.map(coverageOf)
  if (args.length > 0) {
    console.log(all.map(sectionFor).join('\n\n'))
    return 0
  }
  const before = existsSync(file) ? readFileSync(file, 'utf8') : `# Coverage\n\n${BEGIN}\n${END}\n`
  const text = withTables(before, all)
  if (text === undefined) {
    console.error(
      `${inProject(file)} has to have the lines\n${BEGIN}\n${END}\nThe tables stand between them.`,
    )
    return 1
  }
  if (text !== before) writeFileSync(file, text)
  console.log(summaryOf(all))
  console.log(`\n${inProject(file)} ${text === before ? 'is as it was' : 'is written'}.`)
  return 0
}

/** In `npm test`: what `answers.md` says holds, and the tables are those that would be made now. */
export function auditCoverage(tally: Tally, numbers?: readonly number[]): void {
  const wanted = lessons().filter(({ number }) => numbers === undefined || numbers.includes(number))
  const sound: Lesson[] = []
  for (const lesson of wanted) {
    const problems = problemsOf(lesson)
    if (problems.length === 0) sound.push(lesson)
    tally.add(`what the checks of ${lesson.slug} answer for`, problems.join('\n') || undefined, 0)
  }
  const tables = existsSync(file) ? readFileSync(file, 'utf8') : ''
  const all = sound.map(coverageOf)
  const isCurrent =
    numbers === undefined && sound.length === wanted.length
      ? withTables(tables, all) === tables
      : all.every((coverage) => tables.includes(`${sectionFor(coverage)}\n`))
  tally.add(
    'checks/COVERAGE.md is up to date',
    isCurrent ? undefined : 'it is not what the files say now: run `npm run coverage`, and commit it',
    0,
  )
}

const BEGIN = '<!-- made by npm run coverage: edit answers.md, the mistakes or the README, not this -->'
const END = '<!-- end of what npm run coverage makes -->'

/** @returns the text with new tables between its marks, or undefined where these are not there */
function withTables(text: string, all: readonly Coverage[]): string | undefined {
  const from = text.indexOf(BEGIN)
  const to = text.indexOf(END)
  if (from < 0 || to < from) return undefined
  const tables = [summaryOf(all), ...all.map(sectionFor)].join('\n\n')
  return `${text.slice(0, from)}${BEGIN}\n\n${tables}\n\n${text.slice(to)}`
}

function problemsOf(lesson: Lesson): readonly string[] {
  const path = answersFile(lesson)
  if (!existsSync(path))
    return [`it is missing: CONTRIBUTING.md, “I want to add a lesson”, says what stands in it`]
  const answers = answersOf(readFileSync(path, 'utf8'))
  return problemsWith(checkNames(lesson), readFileSync(lesson.readme, 'utf8'), answers)
}

function read(args: readonly string[]): readonly Lesson[] | undefined {
  try {
    const { values } = parseArgs({ args: [...args], options: { lesson: { type: 'string', multiple: true } } })
    if (values.lesson === undefined) return lessons()
    return values.lesson.map((number) => {
      const lesson = lessons().find((one) => String(one.number) === number)
      if (lesson === undefined) throw new Error(`There is no lesson ${number}.`)
      return lesson
    })
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`)
    return undefined
  }
}

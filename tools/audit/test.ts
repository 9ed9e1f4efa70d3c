/** `npm test`: lint, format, types, unit tests, and the audit of lessons, texts, checkers and commands. */

import { parseArgs } from 'node:util'
import { lessons } from '../catalog.ts'
import { run } from './commands.ts'
import { auditAccuracy } from './accuracy/table.ts'
import { auditCoverage } from './coverage.ts'
import { auditCommands } from './command-line.ts'
import { auditEndings } from './endings.ts'
import { auditFolders } from './folders.ts'
import { auditHostile } from './hostile.ts'
import { auditJunk } from './junk.ts'
import { auditPlaces } from './places.ts'
import { auditTexts } from './texts.ts'
import { Tally } from './tally.ts'
import { auditVerdicts } from './verdicts.ts'

const usage = `npm test                       everything
npm test -- --only PART        static | unit | texts | commands | endings | hostile | places | verdicts
                               junk: every check on programs with nonsensical answers, only when it is named
npm test -- --lesson N         the verdicts of one lesson (may be repeated); with --only texts, its texts;
                               with --only places, its solution on every Node
npm test -- --whole            all verdicts: the variants too, and each mistake from the first check on, so that
                               the checks before the one that catches it are seen to let it pass; with --only places,
                               all solutions on every Node
npm test -- --only endings     ten random moments; with --whole fifty; --seed N draws the same again
npm test -- --only hostile     hostile programs; with --whole also those that take long, --program WORDS for some
npm test -- --program WORDS    the verdicts of programs whose path holds these, also under more/
npm test -- --more             the verdicts of all programs, also of those under more/
npm test -- --update           pins the messages that are not pinned, or not as they are now`

const parts = ['static', 'unit', 'texts', 'commands', 'endings', 'hostile', 'places', 'verdicts', 'junk']

export async function main(args: readonly string[]): Promise<number> {
  const options = read(args)
  if (options === undefined) return 2
  const { only, numbers, filter, update, more, whole, seed } = options
  const wants = (part: string): boolean => only === undefined || only === part
  const tally = new Tally()
  if (wants('static')) await auditStatics(tally)
  if (wants('unit')) await auditUnits(tally)
  if (wants('texts')) {
    auditFolders(tally)
    await auditTexts(tally, numbers)
    auditCoverage(tally, numbers)
    auditAccuracy(tally)
  }
  if (wants('commands')) await auditCommands(tally)
  if (wants('endings'))
    await auditEndings(tally, { whole: whole && only === 'endings', ...(seed !== undefined && { seed }) })
  if (wants('hostile'))
    await auditHostile(tally, { whole: whole && only === 'hostile', ...(filter && { filter }) })
  if (wants('places')) await auditPlaces(tally, { whole, ...(numbers && { numbers }) })
  // Only when it is asked for: it takes about as long as the verdicts.
  if (only === 'junk') await auditJunk(tally, numbers)
  if (wants('verdicts'))
    await auditVerdicts(tally, {
      ...(numbers && { numbers }),
      ...(filter && { filter }),
      update,
      more,
      whole,
    })
  console.log(`\n${tally.closingLine()}`)
  return tally.failed === 0 ? 0 : 1
}

function read(args: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        only: { type: 'string' },
        lesson: { type: 'string', multiple: true },
        program: { type: 'string' },
        update: { type: 'boolean', default: false },
        more: { type: 'boolean', default: false },
        whole: { type: 'boolean', default: false },
        seed: { type: 'string' },
      },
    })
    const numbers = values.lesson?.map(Number)
    const known = lessons().map((lesson) => lesson.number)
    if (values.only !== undefined && !parts.includes(values.only))
      throw new Error(`There is no part ${values.only}.`)
    if (values.seed !== undefined && !/^\d+$/.test(values.seed))
      throw new Error(`A seed is a whole number, not ${values.seed}.`)
    const unknown = numbers?.find((number) => !known.includes(number))
    if (unknown !== undefined) throw new Error(`There is no lesson ${unknown}.`)
    // Naming a lesson or a program asks for verdicts; a program may be one under more/.
    const named = values.program !== undefined
    const asksForVerdicts = numbers !== undefined || named || values.more || values.whole
    return {
      only: values.only ?? (asksForVerdicts ? 'verdicts' : undefined),
      numbers,
      filter: values.program,
      update: values.update,
      more: values.more || named,
      // Whoever names programs wants to know all about them.
      whole: asksForVerdicts,
      seed: values.seed === undefined ? undefined : Number(values.seed),
    }
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`)
    return undefined
  }
}

async function auditStatics(tally: Tally): Promise<void> {
  await command(tally, 'types: tsc', ['tsc', '--noEmit', '--project', '.'])
  await command(tally, 'lint: oxlint', ['oxlint', '--type-aware', '--deny-warnings'])
  await command(tally, 'format: oxfmt', ['oxfmt', '--check'])
}

async function auditUnits(tally: Tally): Promise<void> {
  const started = performance.now()
  const { code, stdout, output } = await run('npx', ['vitest', 'run', '--reporter=json'], { NO_COLOR: '1' })
  const report = parse(stdout)
  if (report === undefined)
    return tally.add('unit tests: vitest', output.slice(-4_000), performance.now() - started)
  for (const file of report.testResults) {
    for (const test of file.assertionResults) {
      const problem = test.status === 'passed' ? undefined : test.failureMessages.join('\n') || test.status
      if (problem === undefined) tally.passed += 1
      else tally.add(test.fullName, problem, 0)
    }
    if (file.status === 'failed' && file.assertionResults.length === 0) tally.add(file.name, file.message, 0)
  }
  const count = report.testResults.reduce((sum, file) => sum + file.assertionResults.length, 0)
  tally.add(`unit tests: ${count} of them`, code === 0 ? undefined : 'see above', performance.now() - started)
}

interface VitestReport {
  readonly testResults: readonly {
    readonly name: string
    readonly status: string
    readonly message: string
    readonly assertionResults: readonly {
      readonly fullName: string
      readonly status: string
      readonly failureMessages: readonly string[]
    }[]
  }[]
}

function parse(text: string): VitestReport | undefined {
  try {
    return JSON.parse(text.slice(text.indexOf('{'))) as VitestReport
  } catch {
    return undefined
  }
}

async function command(tally: Tally, what: string, [name = '', ...args]: readonly string[]): Promise<void> {
  const started = performance.now()
  const { code, output } = await run('npx', ['--no-install', name, ...args])
  tally.add(what, code === 0 ? undefined : output.slice(-6_000), performance.now() - started)
}

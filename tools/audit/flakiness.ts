/** `npm run flakiness`: repeats verdicts, with other work beside, counts the wrong ones, and keeps the counts. */

import { writeFileSync } from 'node:fs'
import { availableParallelism, loadavg } from 'node:os'
import { basename, dirname, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { inProject, lessons, projectRoot, type Lesson } from '../catalog.ts'
import { openGrader, type Grader } from '../harness/grading.ts'
import { decideShare, estimateShare, median, type Round } from '../harness/share.ts'
import type { CheckResult } from '../harness/verdict.ts'
import { disturb, LEAST_LEFT_MIB, nameOf } from './accuracy/disturbances.ts'
import { entries, inLedger, none, one, plus, record, type Counts, type Outcome } from './accuracy/ledger.ts'
import { accuracyDocument, accuracyFile } from './accuracy/table.ts'
import { run } from './commands.ts'
import { checkNames, expectationsOf, shareAskedFor, type Expectation } from './expectations.ts'

const usage = `npm run flakiness -- [--times 50] [--hogs 2] [--throughput] [--check WORDS] [--program PATH …] [LESSON …]

--times N        how many verdicts on each program (50)
--throughput     repeats the throughput claim alone, without starting the programs again
--check WORDS    only the check whose name holds these words, without those before it
--program PATH   this program of checks/*/mistakes or checks/*/variants; the solutions unless told (may be repeated)
--variants       the variants as well
--mistakes       the mistakes as well; with --throughput or --check, those which that check has to catch
LESSON           the numbers of the lessons; all unless told

What goes on beside (may be combined):
--hogs N         so many busy loops (0)
--burst          a second of load on every core, a second of rest, and so on
--cores N        the grading may use so many cores only (Linux, taskset)
--leave MIB      memory is filled until so much is available (1000 or more)
--workers N      throughput is measured with so many workers, not with one for each core

--record         adds the counts to ${inLedger}, and makes checks/ACCURACY.md of it
--table          only makes checks/ACCURACY.md`

/** The check that `--throughput` repeats: what its claim asks for is read in the lesson's check. */
const THROUGHPUT_CHECK = 'the workers share the load'

interface Graded {
  readonly outcome: Outcome
  /** Each check that gave a verdict. */
  readonly checks: Readonly<Record<string, Outcome>>
  readonly firstMs: number
  readonly ms: number
}

export async function main(args: readonly string[]): Promise<number> {
  const options = read(args)
  if (options === undefined) return 2
  if (options.table) return writeTable()
  const load = loadavg()[0] ?? 0
  using _beside = await disturb(options.beside)
  await using grader = await openGrader({ root: projectRoot })
  const rows: string[] = []
  let wrong = 0
  for (const expectation of options.programs) {
    const graded = await repeat(grader, expectation, options)
    wrong += graded.filter(({ outcome }) => outcome === 'wrong' || outcome === 'broken').length
    rows.push(row(expectation, graded))
    // After each program: a series takes hours, and somebody may end it.
    if (options.record) await keep(expectation, graded, options, load)
  }
  console.log(`\n${options.times} times each, beside: ${nameOf(options.beside)}, Node ${process.version}`)
  console.log(
    '| program | right | wrong | inconclusive | broken | first result, median (worst) | verdict, median (worst) |',
  )
  console.log('| --- | --- | --- | --- | --- | --- | --- |')
  console.log(rows.join('\n'))
  if (options.record) writeTable()
  return wrong === 0 ? 0 : 1
}

type Options = Exclude<ReturnType<typeof read>, undefined>

function repeat(grader: Grader, expectation: Expectation, options: Options): Promise<readonly Graded[]> {
  const { workers } = options.beside
  return options.throughput
    ? repeatThroughput(grader, expectation, options.times, workers)
    : repeatVerdict(grader, expectation, options.times, options.check, workers)
}

async function keep(
  { lesson, file, kind }: Expectation,
  graded: readonly Graded[],
  options: Options,
  load: number,
): Promise<void> {
  const checks: Record<string, Counts> = {}
  for (const [name, outcome] of graded.flatMap((verdict) => Object.entries(verdict.checks))) {
    checks[name] = plus(checks[name] ?? none, one(outcome))
  }
  const times = graded.map(({ ms }) => ms)
  record({
    at: new Date().toISOString(),
    commit: await commitOf(),
    node: process.version,
    cores: availableParallelism(),
    load: Number(load.toFixed(1)),
    beside: nameOf(options.beside),
    lesson: lesson.slug,
    program: inProject(file),
    isRight: kind === 'solution' || kind === 'variant',
    what: options.throughput ? 'throughput' : 'checks',
    checks,
    medianMs: Math.round(median(times)),
    worstMs: Math.round(Math.max(...times)),
  })
}

async function commitOf(): Promise<string> {
  const git = async (...words: readonly string[]): Promise<string> =>
    (await run('git', words).catch(() => ({ stdout: '' }))).stdout.trim()
  const changed = await git('status', '--porcelain', '--', '.', `:!${inLedger}`, ':!checks/ACCURACY.md')
  return `${await git('rev-parse', '--short', 'HEAD')}${changed === '' ? '' : '+'}`
}

function writeTable(): number {
  writeFileSync(accuracyFile, accuracyDocument(entries(), lessons()))
  console.log(`\n${inProject(accuracyFile)} is written.`)
  return 0
}

function read(args: readonly string[]) {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        times: { type: 'string', default: '50' },
        hogs: { type: 'string', default: '0' },
        burst: { type: 'boolean', default: false },
        cores: { type: 'string' },
        leave: { type: 'string' },
        workers: { type: 'string' },
        record: { type: 'boolean', default: false },
        table: { type: 'boolean', default: false },
        throughput: { type: 'boolean', default: false },
        program: { type: 'string', multiple: true },
        variants: { type: 'boolean', default: false },
        mistakes: { type: 'boolean', default: false },
        check: { type: 'string' },
      },
    })
    const count = (text: string, name: string): number => {
      if (/^\d+$/.test(text)) return Number(text)
      throw new Error(`--${name} takes a whole number, not ${text}.`)
    }
    const atLeastOne = (name: 'cores' | 'leave' | 'workers' | 'times'): number | undefined => {
      const text = values[name]
      const number = text === undefined ? undefined : count(text, name)
      if (number === 0) throw new Error(`--${name} takes a whole number from 1 on.`)
      return number
    }
    const leave = atLeastOne('leave')
    if (leave !== undefined && leave < LEAST_LEFT_MIB) {
      throw new Error(`--leave takes ${LEAST_LEFT_MIB} or more: a grading needs as much itself.`)
    }
    const all = lessons()
    const chosen = positionals.length === 0 ? all : positionals.map((number) => lessonOf(all, number))
    const { throughput, check: words } = values
    const only = throughput ? THROUGHPUT_CHECK : words
    const isWanted = ({ lesson, kind, caughtBy }: Expectation): boolean => {
      if (throughput && shareAskedFor(lesson) === undefined) return false
      if (kind === 'variant') return values.variants
      if (kind !== 'mistake') return kind === 'solution'
      return values.mistakes && (only === undefined || caughtBy === checkNamed(lesson, only))
    }
    const programs =
      values.program?.map((path) => expectationOf(all, path)) ??
      chosen.flatMap((lesson) => expectationsOf(lesson, { more: false }).filter(isWanted))
    return {
      times: atLeastOne('times') ?? 0,
      beside: {
        hogs: count(values.hogs, 'hogs'),
        burst: values.burst,
        cores: atLeastOne('cores'),
        leave,
        workers: atLeastOne('workers'),
      },
      throughput,
      record: values.record,
      table: values.table,
      check: words,
      programs,
    }
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`)
    return undefined
  }
}

function lessonOf(all: readonly Lesson[], number: string): Lesson {
  const lesson = all.find((one) => one.number === Number(number))
  if (lesson === undefined) throw new Error(`There is no lesson ${number}.`)
  return lesson
}

function expectationOf(all: readonly Lesson[], path: string): Expectation {
  const file = resolve(projectRoot, path)
  const found = all
    .flatMap((lesson) => expectationsOf(lesson, { more: true }))
    .find((one) => one.file === file)
  if (found === undefined) throw new Error(`${path} is no mistake, variant, starter or solution.`)
  return found
}

async function repeatVerdict(
  grader: Grader,
  expectation: Expectation,
  times: number,
  words: string | undefined,
  workers: number | undefined,
): Promise<readonly Graded[]> {
  const { lesson, file } = expectation
  const only = words === undefined ? undefined : checkNamed(lesson, words)
  const graded: Graded[] = []
  for (let time = 1; time <= times; time += 1) {
    const { number, slug, check } = lesson
    const { lessons: results } = await grader.grade([
      {
        number,
        slug,
        check,
        file,
        ...(only !== undefined && { only }),
        ...(workers !== undefined && { workers }),
      },
    ])
    const [result] = results
    if (result === undefined) throw new Error('a grading without a result')
    const failed = result.checks.find((one) => one.verdict === 'failed')
    const outcome = outcomeOf(expectation, result.verdict, failed?.name)
    const checks = outcomesOf(expectation, result.checks)
    graded.push({ outcome, checks, firstMs: result.firstResultMs, ms: result.durationMs })
    const at = result.checks.find((one) => one.verdict !== 'passed' && one.verdict !== 'skipped')
    const why = outcome === 'right' ? '' : JSON.stringify(at)
    console.log(
      `${time}/${times} ${outcome} ${inProject(file)} ${(result.durationMs / 1000).toFixed(1)} s ${why}`,
    )
  }
  return graded
}

function checkNamed(lesson: Lesson, words: string): string {
  const names = checkNames(lesson)
  const name = names.find((one) => one.includes(words))
  if (name !== undefined) return name
  throw new Error(`No check of ${lesson.slug} has “${words}” in its name. They are:\n  ${names.join('\n  ')}`)
}

function isRight({ kind }: Expectation): boolean {
  return kind === 'solution' || kind === 'variant'
}

function outcomeOf(expectation: Expectation, verdict: string, failed: string | undefined): Outcome {
  if (verdict === 'inconclusive' || verdict === 'broken') return verdict
  const { caughtBy } = expectation
  if (isRight(expectation)) return verdict === 'passed' ? 'right' : 'wrong'
  return verdict === 'failed' && (caughtBy === undefined || caughtBy === failed) ? 'right' : 'wrong'
}

/** Of each check that ran: one that a mistake has to pass on its way is right when it does. */
function outcomesOf(
  expectation: Expectation,
  checks: readonly CheckResult[],
): Readonly<Record<string, Outcome>> {
  const { caughtBy } = expectation
  const ran = checks.filter(({ verdict }) => verdict !== 'skipped')
  return Object.fromEntries(
    ran.map(({ name, verdict }): [string, Outcome] => {
      if (verdict === 'inconclusive' || verdict === 'broken') return [name, verdict]
      const mayFail = !isRight(expectation) && (caughtBy === undefined || caughtBy === name)
      const mayPass = isRight(expectation) || caughtBy !== name
      const isAsExpected = verdict === 'passed' ? mayPass : mayFail
      return [name, isAsExpected ? 'right' : 'wrong']
    }),
  )
}

interface Trial {
  readonly rounds: readonly Round[]
  readonly costs: readonly Round[]
  readonly ms: number
}

async function repeatThroughput(
  grader: Grader,
  expectation: Expectation,
  times: number,
  workers: number | undefined,
): Promise<readonly Graded[]> {
  const { lesson, file } = expectation
  const { number, slug, check } = lesson
  const threshold = shareAskedFor(lesson) ?? 0
  const graded: Graded[] = []
  const series = { only: THROUGHPUT_CHECK, trials: times, ...(workers !== undefined && { workers }) }
  await grader.grade([{ number, slug, check, file, ...series }], (event) => {
    if (event.type !== 'trial') return
    const { rounds, costs, ms } = event.trial as Trial
    const estimate = estimateShare(rounds)
    const decision = decideShare(rounds, costs, threshold)
    const isAsExpected = (decision === 'above') === isRight(expectation)
    const outcome: Outcome = decision === 'more' ? 'inconclusive' : isAsExpected ? 'right' : 'wrong'
    graded.push({ outcome, checks: { [THROUGHPUT_CHECK]: outcome }, firstMs: 0, ms })
    const { share, low, high } = estimate
    const numbers = [share, low, high].map((value) => value.toFixed(2)).join(' ')
    console.log(`${graded.length}/${times} ${outcome} ${inProject(file)} ${numbers}, ${rounds.length} rounds`)
  })
  return graded
}

function row({ file }: Expectation, graded: readonly Graded[]): string {
  const count = (outcome: Outcome): number => graded.filter((one) => one.outcome === outcome).length
  const times = (all: readonly number[]): string =>
    `${(median(all) / 1000).toFixed(2)} s (${(Math.max(...all) / 1000).toFixed(2)} s)`
  const name = `${basename(dirname(file))}/${basename(file)}`
  const firsts = graded.map((one) => one.firstMs)
  const first = firsts.every((ms) => ms === 0) ? '' : times(firsts)
  const counts = [count('right'), count('wrong'), count('inconclusive'), count('broken')]
  return `| ${name} | ${counts.join(' | ')} | ${first} | ${times(graded.map((one) => one.ms))} |`
}

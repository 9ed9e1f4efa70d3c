/** `npm run flakiness`: repeats verdicts, with busy loops beside, and counts the wrong ones. */

import { spawn } from 'node:child_process'
import { basename, dirname, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { inProject, lessons, projectRoot, type Lesson } from '../catalog.ts'
import { openGrader, type Grader } from '../harness/grading.ts'
import { decide, estimateShare, median, type Round } from '../harness/share.ts'
import { checkNames, expectationsOf, shareAskedFor, type Expectation } from './expectations.ts'

const usage = `npm run flakiness -- [--times 50] [--hogs 2] [--throughput] [--check WORDS] [--program PATH …] [LESSON …]

--times N        how many verdicts on each program (50)
--hogs N         so many busy loops run beside (0)
--throughput     repeats the throughput claim alone, without starting the programs again
--check WORDS    only the check whose name holds these words, without those before it
--program PATH   this program of checks/*/mistakes or checks/*/variants; the solutions unless told (may be repeated)
LESSON           the numbers of the lessons; all unless told`

/** The check that `--throughput` repeats: what its claim asks for is read in the lesson's check. */
const THROUGHPUT_CHECK = 'the workers share the load'

type Outcome = 'right' | 'wrong' | 'inconclusive' | 'broken'

interface Graded {
  readonly outcome: Outcome
  readonly firstMs: number
  readonly ms: number
}

export async function main(args: readonly string[]): Promise<number> {
  const options = read(args)
  if (options === undefined) return 2
  using _hogs = busyLoops(options.hogs)
  await using grader = await openGrader({ root: projectRoot })
  const rows: string[] = []
  let wrong = 0
  for (const expectation of options.programs) {
    const graded = options.throughput
      ? await repeatThroughput(grader, expectation, options.times)
      : await repeatVerdict(grader, expectation, options.times, options.check)
    wrong += graded.filter(({ outcome }) => outcome === 'wrong' || outcome === 'broken').length
    rows.push(row(expectation, graded))
  }
  console.log(`\n${options.times} times each, ${options.hogs} busy loops beside, Node ${process.version}`)
  console.log(
    '| program | right | wrong | inconclusive | broken | first result, median (worst) | verdict, median (worst) |',
  )
  console.log('| --- | --- | --- | --- | --- | --- | --- |')
  console.log(rows.join('\n'))
  return wrong === 0 ? 0 : 1
}

function read(args: readonly string[]) {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        times: { type: 'string', default: '50' },
        hogs: { type: 'string', default: '0' },
        throughput: { type: 'boolean', default: false },
        program: { type: 'string', multiple: true },
        check: { type: 'string' },
      },
    })
    const count = (text: string, name: string): number => {
      if (/^\d+$/.test(text)) return Number(text)
      throw new Error(`--${name} takes a whole number, not ${text}.`)
    }
    const all = lessons()
    const chosen = positionals.length === 0 ? all : positionals.map((number) => lessonOf(all, number))
    const programs =
      values.program?.map((path) => expectationOf(all, path)) ?? chosen.map((lesson) => solutionOf(lesson))
    const { throughput } = values
    return {
      times: count(values.times, 'times'),
      hogs: count(values.hogs, 'hogs'),
      throughput,
      check: values.check,
      programs: throughput ? programs.filter(({ lesson }) => shareAskedFor(lesson) !== undefined) : programs,
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

function solutionOf(lesson: Lesson): Expectation {
  return expectationsOf(lesson, { more: false }).filter(({ kind }) => kind === 'solution')[0] as Expectation
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
): Promise<readonly Graded[]> {
  const { lesson, file } = expectation
  const only = words === undefined ? undefined : checkNamed(lesson, words)
  const graded: Graded[] = []
  for (let time = 1; time <= times; time += 1) {
    const { number, slug, check } = lesson
    const { lessons: results } = await grader.grade([
      { number, slug, check, file, ...(only !== undefined && { only }) },
    ])
    const [result] = results
    if (result === undefined) throw new Error('a grading without a result')
    const failed = result.checks.find((one) => one.verdict === 'failed')
    const outcome = outcomeOf(expectation, result.verdict, failed?.name)
    graded.push({ outcome, firstMs: result.firstResultMs, ms: result.durationMs })
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

function outcomeOf({ kind, caughtBy }: Expectation, verdict: string, failed: string | undefined): Outcome {
  if (verdict === 'inconclusive' || verdict === 'broken') return verdict
  const isRight = kind === 'solution' || kind === 'variant'
  if (isRight) return verdict === 'passed' ? 'right' : 'wrong'
  return verdict === 'failed' && (caughtBy === undefined || caughtBy === failed) ? 'right' : 'wrong'
}

async function repeatThroughput(
  grader: Grader,
  expectation: Expectation,
  times: number,
): Promise<readonly Graded[]> {
  const { lesson, file, kind } = expectation
  const { number, slug, check } = lesson
  const threshold = shareAskedFor(lesson) ?? 0
  const graded: Graded[] = []
  await grader.grade([{ number, slug, check, file, only: THROUGHPUT_CHECK, trials: times }], (event) => {
    if (event.type !== 'trial') return
    const { rounds, ms } = event.trial as { readonly rounds: readonly Round[]; readonly ms: number }
    const estimate = estimateShare(rounds)
    const decision = decide(estimate, threshold, rounds.length)
    const wanted = kind === 'solution' || kind === 'variant' ? 'above' : 'below'
    const outcome: Outcome = decision === 'more' ? 'inconclusive' : decision === wanted ? 'right' : 'wrong'
    graded.push({ outcome, firstMs: 0, ms })
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

/** Processes that only use a core each; they end with this one, however it ends. */
function busyLoops(count: number): Disposable {
  // Each ends with its standard input, which is a pipe from here; a thread looks, since the loop never turns.
  const script = `
    const { Worker } = require('node:worker_threads')
    new Worker("require('node:fs').readSync(0, Buffer.alloc(1)); process.kill(process.pid, 'SIGKILL')", { eval: true })
    setTimeout(() => { for (;;); }, 100)`
  const loops = Array.from({ length: count }, () =>
    spawn(process.execPath, ['-e', script], { stdio: ['pipe', 'ignore', 'ignore'] }),
  )
  return {
    [Symbol.dispose]() {
      for (const loop of loops) loop.kill('SIGKILL')
    },
  }
}

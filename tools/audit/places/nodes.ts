/**
 * Verdicts on the other Nodes that are in use, with the one `npm ci` of the first. All solutions take some seven
 * minutes on each; a sample of them is graded unless the whole is asked for.
 */

import { join } from 'node:path'
import { inProject, lessons, projectRoot } from '../../catalog.ts'
import type { LessonResult, Results } from '../../harness/verdict.ts'
import { run } from '../commands.ts'
import { problemWithResults } from '../schema.ts'
import type { PlacesOptions } from '../places.ts'
import type { Tally } from '../tally.ts'
import type { GradedCheck } from './grade-checks.ts'
import { environmentOf, installOtherNodes, type OtherNode } from './node-versions.ts'
import { sampleFor } from './sample.ts'

const cli = join(projectRoot, 'tools', 'start.mjs')
const script = join(projectRoot, 'tools', 'audit', 'places', 'grade-checks.ts')
const mistake = 'checks/03-basic-cluster/mistakes/more/port-and-id.ts'
const MOST_TRIES = 3

export async function auditNodes(tally: Tally, { whole, numbers }: PlacesOptions): Promise<void> {
  const started = performance.now()
  using nodes = await installOtherNodes()
  const names = nodes.installed.map(({ version }) => version).join(', ')
  for (const { major, why } of nodes.missing) tally.skip(`Node ${major}`, why)
  if (nodes.installed.length > 0)
    tally.add(`other Nodes are installed: ${names}`, undefined, performance.now() - started)
  for (const [index, node] of nodes.installed.entries()) {
    await auditMistake(tally, node)
    const solved = lessons()
      .filter(({ preview }) => !preview)
      .map(({ number }) => number)
    const chosen = whole ? (numbers ?? solved) : [shortLesson]
    for (const number of chosen) await auditSolution(tally, node, number)
    if (!whole) await auditSample(tally, node, index, nodes.installed.length)
  }
}

/** One lesson is graded whole and through the command, with its throughput. */
const shortLesson = 2

/** Through npm, which has to be on that Node as well. */
async function auditMistake(tally: Tally, node: OtherNode): Promise<void> {
  const started = performance.now()
  const args = ['run', 'check', '3', '--', '--json', '--file', mistake]
  const { code, stdout, output } = await run('npm', args, environmentOf(node))
  const results = parse(stdout) as Results | undefined
  const failed = results?.lessons[0]?.checks.find(({ verdict }) => verdict === 'failed')
  const problem =
    code !== 1 || results === undefined
      ? `it ended with ${code}, not 1:\n${output.slice(-2_000)}`
      : (problemWithResults(results) ??
        problemWithVersion(results.node, node) ??
        (failed?.name === 'one worker per available core by default' ? undefined : JSON.stringify(failed)))
  tally.add(`${node.version}: wrong    ${mistake}`, problem, performance.now() - started)
}

async function auditSolution(tally: Tally, node: OtherNode, number: number): Promise<void> {
  const started = performance.now()
  let problem: string | undefined
  let lesson: LessonResult | undefined
  // Inconclusive is no verdict: another program had the cores. It is asked again, and says so.
  for (let tries = 1; tries <= MOST_TRIES; tries += 1) {
    const { code, stdout, output } = await run(
      node.path,
      [cli, 'check', String(number), '--solutions', '--json'],
      environmentOf(node),
    )
    const results = parse(stdout) as Results | undefined
    lesson = results?.lessons[0]
    problem =
      code === 0 && results !== undefined
        ? (problemWithResults(results) ?? problemWithVersion(results.node, node) ?? problemWithSkips(lesson))
        : `it ended with ${code}: ${notPassed(lesson) ?? output.slice(-2_000)}`
    if (lesson?.verdict !== 'inconclusive') break
    console.log(`  ${node.version}: inconclusive, lesson ${number}: ${notPassed(lesson)}`)
  }
  tally.add(
    `${node.version}: solution ${lesson?.file ?? `of lesson ${number}`}`,
    problem,
    performance.now() - started,
  )
}

async function auditSample(tally: Tally, node: OtherNode, index: number, nodes: number): Promise<void> {
  const sampled = sampleFor(index, nodes)
  const words = sampled.flatMap(({ lesson, check }) => [String(lesson), check])
  const { stdout, output } = await run(node.path, ['--import', 'tsx', script, ...words], environmentOf(node))
  const results = stdout.split('\n').map((line) => parse(line) as GradedCheck | undefined)
  for (const { lesson: number, check } of sampled) {
    const found = results.find((one) => one?.name === check && one.lesson === number)
    const solution = lessons().find((lesson) => lesson.number === number)?.solution ?? ''
    const tries = found === undefined || found.tries === 1 ? '' : ` (${found.tries} times)`
    tally.add(
      `${node.version}: ${inProject(solution)}: ${check}${tries}`,
      found === undefined ? `there is no result:\n${output.slice(-2_000)}` : problemWithSampled(found, node),
      found?.ms ?? 0,
    )
  }
}

function problemWithSampled({ node, result }: GradedCheck, other: OtherNode): string | undefined {
  const version = problemWithVersion(node, other)
  if (version !== undefined) return version
  const isFine = result?.verdict === 'passed' || (result?.verdict === 'skipped' && process.env.CI !== 'true')
  return isFine ? undefined : `it is right, and: ${JSON.stringify(result)}`
}

function problemWithVersion(told: string, { version }: OtherNode): string | undefined {
  return told === version ? undefined : `it was graded on ${told}, not on ${version}`
}

function problemWithSkips(lesson: LessonResult | undefined): string | undefined {
  const skipped = lesson?.checks.find(({ verdict }) => verdict === 'skipped')
  return process.env.CI !== 'true' || skipped === undefined
    ? undefined
    : `under CI nothing may be skipped: ${skipped.name}`
}

function notPassed(lesson: LessonResult | undefined): string | undefined {
  const check = lesson?.checks.find(({ verdict }) => verdict !== 'passed' && verdict !== 'skipped')
  return check && JSON.stringify(check)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

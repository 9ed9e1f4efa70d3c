/** The numbers of `npm run bench`, each measured by running the command that it is about. */

import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { lessons as lessonsOf, projectRoot, type Lesson } from '../../catalog.ts'
import { median } from '../../harness/share.ts'
import { run } from '../commands.ts'
import { canCount } from '../survivors.ts'
import { ENDINGS, leftAfter } from './left.ts'
import { timeSaves } from './save.ts'
import { time, type Timed } from './spawned.ts'

/** A line of the table. */
export interface Row {
  readonly what: string
  /** As the blueprint of the workshop has it, for two cores. */
  readonly wanted: string
  readonly measured: string
}

export interface Place {
  /** A copy of the project, so that nobody's work and progress is touched. */
  readonly folder: string
  readonly lessons: readonly Lesson[]
  readonly runs: number
  readonly tell: (line: string) => void
}

/** In this order. `test` alone is left out unless it is asked for: it takes its time. */
export const parts = { first, save, verdict, all, left, test } as const
export type Part = keyof typeof parts

const WITHIN = 30 * 60_000
/** The lesson that the blueprint's numbers for a first result are about. */
const LESSON = 3

async function first({ folder, runs, tell }: Place): Promise<readonly Row[]> {
  const command = ['npm', 'run', 'check', `${LESSON}`]
  putStarter(folder)
  const times: number[] = []
  for (let nth = 0; nth <= runs; nth += 1) {
    const { firstMs, output } = await time(command, { cwd: folder, untilMark: true, within: WITHIN })
    if (firstMs === undefined) throw new Error(`${command.join(' ')} told no check:\n${output.slice(-1_000)}`)
    // The first of a fresh copy compiles everything: not what somebody waits for again and again.
    tell(`${command.join(' ')}: first mark after ${inSeconds(firstMs)}${nth === 0 ? ', not counted' : ''}`)
    if (nth > 0) times.push(firstMs)
  }
  return [
    {
      what: `Enter to the first ✓ or ✗ of \`npm run check ${LESSON}\``,
      wanted: '1.0 s median',
      measured: spread(times),
    },
  ]
}

async function save({ folder, runs, tell }: Place): Promise<readonly Row[]> {
  const what = `a save to the first ✓ or ✗ in \`npm run lesson ${LESSON}\``
  const wanted = '0.6 s median'
  const { code } = await run('script', ['--version']).catch(() => ({ code: 1 }))
  if (code !== 0) return [{ what, wanted, measured: 'not measured: `script` of util-linux is not there' }]
  const times = await timeSaves(folder, { number: LESSON, file: putStarter(folder) }, runs + 1)
  for (const ms of times) tell(`a save: first mark after ${inSeconds(ms)}`)
  return [{ what, wanted, measured: spread(times.slice(1)) }]
}

async function verdict({ folder, lessons, runs, tell }: Place): Promise<readonly Row[]> {
  const rows: Row[] = []
  const medians: number[] = []
  for (const { number } of lessons) {
    const command = ['npm', 'run', 'check', `${number}`, '--', '--solutions']
    const graded: Timed[] = []
    for (let nth = 0; nth < runs; nth += 1) {
      const one = await time(command, { cwd: folder, within: WITHIN })
      tell(`${command.join(' ')}: ${inSeconds(one.ms)}${howItEnded(one)}`)
      graded.push(one)
    }
    const times = graded.map(({ ms }) => ms)
    medians.push(median(times))
    rows.push({
      what: `solved lesson ${number}, whole verdict`,
      wanted: number === 10 ? '40 s' : '',
      measured: `${spread(times)}${graded.map(howItEnded).join('')}`,
    })
  }
  const over = lessons.length === 1 ? '' : `, median of ${lessons.length} lessons`
  return [
    ...rows,
    {
      what: `a solved lesson's whole verdict${over}`,
      wanted: '8 s median',
      measured: inSeconds(median(medians)),
    },
  ]
}

async function all({ folder, runs, tell }: Place): Promise<readonly Row[]> {
  const command = ['npm', 'run', 'check', '--', '--solutions']
  const graded: Timed[] = []
  for (let nth = 0; nth < runs; nth += 1) {
    const one = await time(command, { cwd: folder, within: WITHIN })
    tell(`${command.join(' ')}: ${inSeconds(one.ms)}${howItEnded(one)}`)
    graded.push(one)
  }
  const measured = `${spread(graded.map(({ ms }) => ms))}${graded.map(howItEnded).join('')}`
  return [{ what: '`npm run check`, all solved', wanted: '120 s', measured }]
}

async function left({ folder, tell }: Place): Promise<readonly Row[]> {
  const what = 'processes, ports, files left after a grading that ended by itself or by a signal'
  if (!canCount) return [{ what, wanted: '0', measured: 'not measured: processes are counted by /proc' }]
  const found: string[] = []
  for (const ending of ENDINGS) {
    const { processes, ports, files } = await leftAfter(folder, ending)
    const all = [...processes, ...ports.map((port) => `port ${port}`), ...files]
    tell(`ended ${ending === 'by itself' ? ending : `by ${ending}`}: ${all.join('; ') || 'nothing is left'}`)
    if (all.length > 0)
      found.push(`${ending}: ${processes.length} processes, ${ports.length} ports, ${files.length} files`)
  }
  return [
    { what, wanted: '0', measured: found.length === 0 ? `0 (${ENDINGS.join(', ')})` : found.join('; ') },
  ]
}

/** What a learner begins with, whatever this one has done since. Returns the file to edit. */
function putStarter(folder: string): string {
  const lesson = lessonsOf(folder).find(({ number }) => number === LESSON)
  if (lesson === undefined) throw new Error(`there is no lesson ${LESSON}`)
  cpSync(join(lesson.checks, 'starter'), lesson.folder, { recursive: true })
  return lesson.starter
}

/** In the project itself: a copy has no repository, and the audit looks at more than its rooms. */
async function test({ tell }: Place): Promise<readonly Row[]> {
  const one = await time(['npm', 'test'], { cwd: projectRoot, within: 3 * 60 * 60_000 })
  tell(`npm test: ${inMinutes(one.ms)}, exit code ${one.code}, ${one.output.trim().split('\n').at(-1)}`)
  const measured = `${inMinutes(one.ms)}${one.code === 0 ? '' : ` (exit code ${one.code})`}`
  return [{ what: '`npm test`', wanted: '20 minutes', measured }]
}

/** What keeps a time from counting as that of a right verdict. */
function howItEnded({ code, output }: Timed): string {
  if (code === 0) return ''
  const at = /^.*[✗?].*$/m.exec(output)?.[0].trim()
  return ` (exit code ${code}${at === undefined ? '' : `: ${at.slice(0, 60)}`})`
}

/** The median, and between what it lies. */
export function spread(times: readonly number[]): string {
  if (times.length === 0) return 'not measured'
  const middle = inSeconds(median(times))
  if (times.length === 1) return `${middle}, once`
  const [least, most] = [Math.min(...times), Math.max(...times)]
  return `${middle} (${inSeconds(least)} to ${inSeconds(most)}, ${times.length} times)`
}

function inSeconds(ms: number): string {
  return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`
}

function inMinutes(ms: number): string {
  return `${(ms / 60_000).toFixed(1)} minutes`
}

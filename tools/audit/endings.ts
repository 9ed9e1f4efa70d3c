/**
 * However a command ends, nothing of it lives on and what it keeps is whole: at random moments of random lessons, drawn
 * from a seed that is told, so that the same can be drawn again.
 */

import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { lessons, type Lesson } from '../catalog.ts'
import { drawLots, type Lot } from '../harness/lot.ts'
import { copyProject, inFolder } from './copies.ts'
import { countOf, keptOf, leftOf, problemWithKept, problemWithNext } from './endings/after.ts'
import { startCommand, type Ended, type Running } from './endings/running.ts'
import { problemWithEnd, waysHere, type Way } from './endings/ways.ts'
import { listenersOf } from './sockets.ts'
import { canCount, carriers } from './survivors.ts'
import type { Tally } from './tally.ts'

/** A command that was told to end and has not by now hangs; a lesson that is graded to its end takes a minute. */
const TIME_TO_END = 30_000
const TIME_TO_GRADE = 300_000

export interface EndingsOptions {
  /** Fifty moments and not ten: some twelve minutes. */
  readonly whole?: boolean
  readonly seed?: number
}

interface Moment {
  readonly way: Way
  readonly lesson: Lesson
  /** Milliseconds. */
  readonly at: number
  /** Since the command was started, or since something keeps its programs, which begin a moment later. */
  readonly from: 'its start' | 'its programs'
  readonly suspended: number
}

export async function auditEndings(
  tally: Tally,
  { whole = false, seed }: EndingsOptions = {},
): Promise<void> {
  if (!canCount) return tally.skip('endings', 'processes are counted by /proc, which is not here')
  // The short form draws the same each time: where it fails, it is for what was changed.
  const lot = drawLots(seed ?? (whole ? Math.floor(Math.random() * 1e6) : 1))
  console.log(
    `  endings are drawn from seed ${lot.seed}: npm test -- --only endings${whole ? ' --whole' : ''} --seed ${lot.seed}`,
  )
  let left = 0
  using _ = endingByExit()
  await inFolder('endings-', async (folder) => {
    copyProject(folder)
    // The learner's files are the solutions, since only of these a progress is kept.
    for (const { slug, solution } of lessons())
      cpSync(dirname(solution), join(folder, 'lessons', slug), { recursive: true })
    for (const moment of whole ? manyMoments(lot) : someMoments(lot))
      left += await endAt(tally, moment, folder)
  })
  tally.add(`${left} processes, ports and files were left in all`, left === 0 ? undefined : 'see above', 0)
}

/** A signal would end this process without a word to those that it has started. */
function endingByExit(): Disposable {
  const end = (): never => process.exit(130)
  process.on('SIGINT', end).on('SIGTERM', end)
  return { [Symbol.dispose]: () => void process.off('SIGINT', end).off('SIGTERM', end) }
}

/**
 * Ten: whatever ends a check, on nine of the lessons, a kill twice; one of the ways in which a lesson is graded to its
 * end, on a short one; and one of the ways in which each command ends that has a terminal.
 */
function someMoments(lot: Lot): readonly Moment[] {
  const ways = waysHere()
  const oneOf = (those: readonly Way[]): readonly Way[] => (those.length === 0 ? [] : [lot.oneOf(those)])
  const ending = ways.filter(({ command, verdict }) => command === 'check' && verdict === undefined)
  const drawn = [
    ...ending,
    ...ending.filter(({ name }) => name === 'SIGKILL'),
    ...(['lesson', 'run'] as const).flatMap((kind) => oneOf(ways.filter(({ command }) => command === kind))),
  ]
  const [short, ...others] = lot.shuffled(lessons().filter(({ number }) => SHORT.includes(number)))
  const rest = lot.shuffled([...lessons().filter(({ number }) => !SHORT.includes(number)), ...others])
  const moments = drawn.map((way, index) => momentOf(lot, way, rest[index % rest.length], 3_000))
  const graded = oneOf(ways.filter(({ verdict }) => verdict === true))
  return [...moments, ...graded.map((way) => momentOf(lot, way, short, 2_000))]
}

/** Every way on lesson after lesson, until there are fifty; two of them with a laptop that sleeps for a minute. */
function manyMoments(lot: Lot): readonly Moment[] {
  const ways = waysHere()
  const others = ways.filter(({ name }) => name !== SUSPENDED)
  const all = lot.shuffled(lessons())
  const drawn = [
    ...ways.filter(({ name }) => name === SUSPENDED).flatMap((way) => [way, way]),
    ...lot.shuffled([others, others, others, others].flat()),
  ].slice(0, 50)
  return lot.shuffled(drawn).map((way, index) => momentOf(lot, way, all[index % all.length], 8_000, SLEEP))
}

/** @param below the moment, ms */
function momentOf(lot: Lot, way: Way, lesson = lot.oneOf(lessons()), below = 3_000, suspended = NAP): Moment {
  const at = lot.oneOf(Array.from({ length: below / 10 }, (_, index) => index * 10))
  return { way, lesson, at, from: lot.oneOf(FROM), suspended }
}

/** How long a laptop is suspended, ms. */
const NAP = 3_000
const SLEEP = 60_000
/** Most at a time when there is something to leave. */
const FROM = ['its start', 'its programs', 'its programs', 'its programs'] as const

const SUSPENDED = 'a suspended laptop'
/** The lessons whose grading takes the least time. */
const SHORT = [2, 3]

/** @returns how much was left */
async function endAt(
  tally: Tally,
  { way, lesson, at, from, suspended }: Moment,
  folder: string,
): Promise<number> {
  const started = performance.now()
  const temporary = mkdtempSync(join(tmpdir(), 'ending-'))
  const action = { check: 'check', lesson: 'lesson', run: 'run of' }[way.command]
  const what = `${way.name} ${at} ms after ${from} of ${action} ${lesson.number}`
  const [port, adminPort] = [await freePort(), await freePort()]
  // Ports and secrets are for `run`: a check gives its own.
  const env = {
    TMPDIR: temporary,
    TERM: 'xterm',
    PORT: String(port),
    ADMIN_PORT: String(adminPort),
    ADMIN_TOKEN: 'a-token-of-the-audit-of-endings-1234567890',
    SIGNING_KEY: 'a-key-of-the-audit-of-endings-1234567890',
  }
  const before = keptOf(folder, lesson.slug)
  const place = { folder, lesson: lesson.number, moment: at, suspended }
  try {
    using running = startCommand(way.argv(place), { cwd: folder, env })
    if (from === 'its programs') await keeperOf(running)
    await Promise.race([sleep(at), running.ended])
    const sockets = listenersOf(carriers(running.mark))
    await way.act(running, place)
    const ended = await endOf(running, way)
    const left = await leftOf(running, { sockets, folder, temporary })
    const problems = [
      ended === undefined
        ? `it still runs:\n${running.output().slice(-2_000)}`
        : withOutput(problemWithEnd(way, ended, running.output()), running),
      countOf(left) === 0 ? undefined : `it leaves ${JSON.stringify(left)}`,
      way.forgets === true ? undefined : problemWithKept(before, keptOf(folder, lesson.slug)),
      problemWithNext(folder, { TMPDIR: temporary }),
    ].filter((problem) => problem !== undefined)
    const end = ended === undefined ? '' : ` (${ended.signal ?? `exit code ${ended.code}`})`
    tally.add(
      what + end,
      problems.length === 0 ? undefined : problems.join('\n'),
      performance.now() - started,
    )
    return countOf(left)
  } finally {
    rmSync(temporary, { recursive: true, force: true })
  }
}

/** Waits until it has a keeper, or has ended. */
async function keeperOf({ keeper, child }: Running): Promise<void> {
  while (keeper() === undefined && child.exitCode === null && child.signalCode === null) await sleep(20)
}

async function endOf({ ended }: Running, { late: lateToEnd }: Way): Promise<Ended | undefined> {
  const late = new AbortController()
  const within = lateToEnd === true ? TIME_TO_GRADE : TIME_TO_END
  const found = await Promise.race([
    ended,
    sleep(within, undefined, { signal: late.signal }).catch(() => undefined),
  ])
  late.abort()
  return found
}

function withOutput(problem: string | undefined, { output }: Running): string | undefined {
  return problem === undefined ? undefined : `${problem}:\n${output().slice(-2_000)}`
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

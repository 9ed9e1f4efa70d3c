/**
 * Programs that mean no good. Each gets the verdict that it deserves, in bounded time and with a message that names
 * what it did, and leaves nothing. A few are right programs with odd manners.
 */

import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { lessons, projectRoot, type Lesson } from '../catalog.ts'
import { EnvironmentProblem } from '../harness/problems.ts'
import { openGrader, type Grader } from '../harness/grading.ts'
import type { LessonResult } from '../harness/verdict.ts'
import { run } from './commands.ts'
import { inFolder } from './copies.ts'
import { mark, survivors } from './survivors.ts'
import type { Tally } from './tally.ts'

const folder = join(projectRoot, 'tools', 'audit', 'hostile')
const cli = join(projectRoot, 'tools', 'start.mjs')

/** No grading of such a program may take longer. Milliseconds. */
const BOUND = 60_000
/** How long all of it has to be gone after the end. Milliseconds. */
const GRACE = 2_000

export interface HostileOptions {
  /** Also those that take long: with them it is some five minutes. */
  readonly whole?: boolean
  /** Only programs whose name holds this. */
  readonly filter?: string
}

/** What is said of a program in its first lines. */
interface Hostile {
  readonly name: string
  readonly lesson: Lesson
  /** The one check that grades it; all unless told. */
  readonly only?: string
  readonly wants: 'failed' | 'passed' | 'broken' | 'ends'
  /** Words of the message, one of them; of a command that ends, how. */
  readonly words: readonly string[]
  /** Of one that may end what grades it before that can tell who did. */
  readonly breaks: string | undefined
  /** A file in the temporary folder or in `.workshop/` that nobody can know of. */
  readonly leaves: string | undefined
}

/** Grades each of them, the copy of a file in a folder of its own: some lay hands on their file. */
export async function auditHostile(tally: Tally, { whole = false, filter = '' }: HostileOptions = {}) {
  const ours = mark()
  // No path of a Unix socket may be longer than 107 bytes: it is not under `.workshop/`.
  const temporary = mkdtempSync(join(tmpdir(), 'hostile-'))
  using _removed = { [Symbol.dispose]: () => rmSync(temporary, { recursive: true, force: true }) }
  // Set before the runner starts its thread, which has an environment of its own.
  using _set = environment({ [ours.name]: ours.value, TMPDIR: temporary })
  await using grader = await openGrader({ root: projectRoot })
  for (const name of readdirSync(folder).sort()) {
    const text = readFileSync(join(folder, name), 'utf8')
    if (!name.includes(filter) || (!whole && /^\/\/ whole$/m.test(text))) continue
    const started = performance.now()
    const hostile = read(name, text)
    const problem = await inFolder('hostile-', (place) => problemWith(grader, hostile, { place, temporary }))
    const left = await survivors(ours, { within: GRACE })
    tally.add(`hostile  tools/audit/hostile/${name}`, problem ?? left, performance.now() - started)
  }
}

function read(name: string, text: string): Hostile {
  const line = (what: string): string | undefined => new RegExp(`^// ${what}: (.+)$`, 'm').exec(text)?.[1]
  const number = Number(line('lesson') ?? 2)
  const lesson = lessons().find((one) => one.number === number)
  if (lesson === undefined) throw new Error(`${name}: there is no lesson ${number}`)
  const only = line('check')
  const says = line('says') ?? line('breaks') ?? line('ends')
  const wants =
    line('passes') !== undefined
      ? 'passed'
      : line('ends') !== undefined
        ? 'ends'
        : line('says') !== undefined
          ? 'failed'
          : 'broken'
  if (wants !== 'passed' && says === undefined) throw new Error(`${name} does not tell what is said of it`)
  return {
    name,
    lesson,
    ...(only !== undefined && { only }),
    wants,
    words: says?.split(' | ') ?? [],
    breaks: line('breaks'),
    leaves: line('leaves'),
  }
}

async function problemWith(
  grader: Grader,
  hostile: Hostile,
  { place, temporary }: { readonly place: string; readonly temporary: string },
): Promise<string | undefined> {
  const { name, leaves, wants } = hostile
  // As deep as where it comes from, so that what it imports is found.
  const file = join(place, 'program', name)
  mkdirSync(join(place, 'program'))
  copyFileSync(join(folder, name), file)
  try {
    const problem =
      wants === 'ends'
        ? await problemWithCommand(hostile, file)
        : await problemWithVerdict(grader, hostile, file)
    return problem ?? (await filesLeft(hostile, [temporary, join(place, 'program')]))
  } finally {
    for (const one of readdirSync(temporary)) rmSync(join(temporary, one), { recursive: true, force: true })
    if (leaves !== undefined) rmSync(join(projectRoot, '.workshop', leaves), { force: true })
  }
}

/** What is in these folders, and in the one where programs keep their data, when its keeper has had its time. */
async function filesLeft({ name, leaves }: Hostile, folders: readonly string[]): Promise<string | undefined> {
  const places = [...folders, join(projectRoot, '.workshop', 'data')]
  const deadline = performance.now() + GRACE
  for (;;) {
    const left = places
      .flatMap((place) => (existsSync(place) ? readdirSync(place) : []))
      .filter((one) => one !== leaves && one !== name)
    if (left.length === 0) return undefined
    if (performance.now() > deadline) return `files are left: ${left.join(', ')}`
    await sleep(50)
  }
}

async function problemWithVerdict(
  grader: Grader,
  hostile: Hostile,
  file: string,
): Promise<string | undefined> {
  const { wants, words, breaks, only, lesson } = hostile
  const { number, slug, check } = lesson
  const subject = { number, slug, check, file, ...(only !== undefined && { only }) }
  const late = new AbortController()
  const bound = setTimeout(() => late.abort(), BOUND)
  let result: LessonResult | undefined
  try {
    result = (await grader.grade([subject], () => {}, late.signal)).lessons[0]
  } catch (error) {
    if (late.signal.aborted) return `there is no verdict after ${BOUND / 1_000} s`
    const named =
      error instanceof EnvironmentProblem && breaks !== undefined && error.message.includes(breaks)
    return named ? undefined : String(error)
  } finally {
    clearTimeout(bound)
  }
  const telling = result?.checks.find((one) => !['passed', 'skipped'].includes(one.verdict))
  if (result?.verdict !== wants) return `the verdict is ${result?.verdict}: ${JSON.stringify(telling)}`
  const said = `${telling?.expected} ${telling?.got} ${telling?.note}`
  return wants === 'passed' || words.some((one) => said.includes(one)) ? undefined : `it says ${said}`
}

/** Of one that ends its checker, which has to be another than this process. */
async function problemWithCommand({ lesson, words }: Hostile, file: string): Promise<string | undefined> {
  const ran = await run('timeout', [
    String(BOUND / 1_000),
    process.execPath,
    cli,
    'check',
    String(lesson.number),
    '--file',
    file,
  ])
  const ending = ran.signal === null ? `exit code ${ran.code}` : `killed by ${ran.signal}`
  return words.includes(ending) ? undefined : `${ending}:\n${ran.output}`
}

/** Sets these, and puts back what was there. */
function environment(settings: Readonly<Record<string, string>>): Disposable {
  const before = Object.keys(settings).map((name) => [name, process.env[name]] as const)
  Object.assign(process.env, settings)
  return {
    [Symbol.dispose]() {
      for (const [name, value] of before) {
        if (value === undefined) delete process.env[name]
        else process.env[name] = value
      }
    },
  }
}

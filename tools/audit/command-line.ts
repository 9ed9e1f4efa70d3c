/** The commands, run as a user runs them: exit codes, documents, and what they leave behind. */

import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { projectRoot } from '../catalog.ts'
import { run, type Ran } from './commands.ts'
import { copyProject, inFolder } from './copies.ts'
import { problemWithNewLesson } from './new-lesson.ts'
import { problemWithResults } from './schema.ts'
import { mark, survivors } from './survivors.ts'
import type { Tally } from './tally.ts'

const cli = join(projectRoot, 'tools', 'start.mjs')
const mistake = 'checks/03-basic-cluster/mistakes/more/port-and-id.ts'

interface Case {
  readonly what: string
  readonly args: readonly string[]
  readonly code: number
  /** What the output has to hold. */
  readonly says?: RegExp
  readonly env?: Record<string, string>
}

const cases: readonly Case[] = [
  { what: 'the list of lessons', args: ['lesson'], code: 0, says: /A basic cluster/ },
  { what: 'the doctor', args: ['doctor'], code: 0, says: /file events/ },
  { what: 'a lesson that is not there', args: ['check', '12'], code: 2, says: /no lesson 12/ },
  { what: 'an option that is not there', args: ['check', '3', '--jsn'], code: 2, says: /--json/ },
  {
    what: 'a file that is not there',
    args: ['check', '3', '--file', 'nowhere.ts'],
    code: 2,
    says: /nowhere\.ts/,
  },
  { what: '--file without a lesson', args: ['check', '--file', mistake], code: 2 },
  {
    what: '--output into a folder that is not there',
    args: ['check', '3', '--output', 'no/where.json'],
    code: 2,
  },
  {
    what: 'an option that npm took',
    args: ['check', '3'],
    code: 2,
    says: /--json/,
    env: { npm_config_json: 'true' },
  },
  { what: 'a command that is not there', args: ['chek'], code: 2, says: /check/ },
  {
    what: 'a wrong program',
    args: ['check', '3', '--file', mistake],
    code: 1,
    says: /✗ one worker per available core/,
  },
  {
    what: "the caller's WORKERS, PORT and NODE_OPTIONS change nothing",
    args: ['check', '3', '--file', mistake],
    code: 1,
    says: /it listens on port/,
    env: { WORKERS: '99', PORT: '1', NODE_OPTIONS: '--no-warnings', NODE_ENV: 'production' },
  },
]

export async function auditCommands(tally: Tally): Promise<void> {
  using temporary = ownTemporaryFolder()
  const ours = mark()
  process.env[ours.name] = ours.value
  for (const { what, args, code, says, env = {} } of cases) {
    await timed(tally, `${what}: exit code ${code}`, async () => {
      const ran = await run(process.execPath, [cli, ...args], env)
      return problemWith(ran, code, says)
    })
  }
  await timed(tally, '--json puts one document on standard output', () => problemWithJson())
  await timed(tally, 'a path with spaces', () => problemWithSpaces())
  await timed(tally, 'a pipe that closes after the first line', () => problemWithHead())
  await timed(tally, 'a check that throws is the fault of the workshop: exit code 4', () =>
    problemWithBrokenCheck(),
  )
  await timed(tally, 'a lesson is added by three folders, and nothing else', () => problemWithNewLesson())
  await oneCore(tally)
  tally.add('nothing is left in the temporary folder', temporary.files(), 0)
  tally.add('no process is left', await survivors(ours, { within: 2_000 }), 0)
}

function problemWith({ code, output }: Ran, wanted: number, says: RegExp | undefined): string | undefined {
  if (code !== wanted) return `it ended with ${code}, not ${wanted}:\n${output.slice(-2_000)}`
  if (says !== undefined && !says.test(output)) return `it does not say ${says}:\n${output.slice(-2_000)}`
  return /^\s+at .*:\d+:\d+/m.test(output) ? `it shows a stack:\n${output.slice(-2_000)}` : undefined
}

async function problemWithJson(): Promise<string | undefined> {
  const ran = await run('npm', ['run', 'check', '3', '--', '--json', '--file', mistake])
  if (ran.code !== 1) return `it ended with ${ran.code}, not 1:\n${ran.output}`
  try {
    return problemWithResults(JSON.parse(ran.stdout))
  } catch (error) {
    return `${String(error)}\n${ran.stdout.slice(0, 500)}`
  }
}

async function problemWithSpaces(): Promise<string | undefined> {
  return inFolder('a path with spaces ', async (folder) => {
    const file = join(folder, 'my server é.ts')
    cpSync(join(projectRoot, mistake), file)
    return problemWith(
      await run(process.execPath, [cli, 'check', '3', '--file', file]),
      1,
      /it listens on port/,
    )
  })
}

async function problemWithHead(): Promise<string | undefined> {
  const ran = await run('sh', ['-c', `"${process.execPath}" "${cli}" check 3 --file ${mistake} | head -1`])
  return /Error|EPIPE/.test(ran.output) ? ran.output : undefined
}

/** A project of its own, with a check that is at fault. */
async function problemWithBrokenCheck(): Promise<string | undefined> {
  return inFolder('broken-', async (folder) => {
    copyProject(folder)
    const check = join(folder, 'checks', '03-basic-cluster', 'check.ts')
    const text = `import { check } from '#harness'\ncheck('one worker per available core by default', async () => {\n  throw new TypeError('a fault of ours')\n})\n`
    writeFileSync(check, text)
    const ran = await run(process.execPath, [join(folder, 'tools', 'start.mjs'), 'check', '3', '--solutions'])
    return problemWith(ran, 4, /a fault of ours/)
  })
}

async function oneCore(tally: Tally): Promise<void> {
  const what = 'on one core the share is inconclusive: exit code 3'
  const { code } = await run('taskset', ['--version']).catch(() => ({ code: 1 }))
  if (code !== 0) return tally.skip(what, 'taskset is not there')
  const [core = '0'] =
    /^Cpus_allowed_list:\s*(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.slice(1) ?? []
  await timed(tally, what, async () => {
    const ran = await run('taskset', ['-c', core, process.execPath, cli, 'check', '2', '--solutions'])
    return problemWith(ran, 3, /one core/)
  })
}

async function timed(tally: Tally, what: string, look: () => Promise<string | undefined>): Promise<void> {
  const started = performance.now()
  const problem = await look().catch((error: unknown) =>
    error instanceof Error ? (error.stack ?? error.message) : String(error),
  )
  tally.add(what, problem, performance.now() - started)
}

/** One that no other program writes to: what is in it at the end is ours. */
function ownTemporaryFolder(): Disposable & { files(): string | undefined } {
  const before = process.env.TMPDIR
  const folder = mkdtempSync(join(tmpdir(), 'audit-'))
  process.env.TMPDIR = folder
  return {
    files: () => readdirSync(folder, { recursive: true, encoding: 'utf8' }).join('\n') || undefined,
    [Symbol.dispose]() {
      if (before === undefined) delete process.env.TMPDIR
      else process.env.TMPDIR = before
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

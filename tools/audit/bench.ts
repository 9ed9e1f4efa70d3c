/** `npm run bench`: the numbers that the workshop wants to reach, measured here, from the commands themselves. */

import { rmSync } from 'node:fs'
import { cpus, freemem, loadavg, totalmem, availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { lessons, type Lesson } from '../catalog.ts'
import { endAll } from './bench/spawned.ts'
import { parts, type Part, type Row } from './bench/measure.ts'
import { run } from './commands.ts'
import { copyProject, inFolder } from './copies.ts'

const usage = `npm run bench -- [PART …] [--runs N] [--lesson N …] [--all] [--markdown]

PART          first | save | verdict | all | left | test; all but the last unless told
--runs N      how often each is measured (3)
--lesson N    with verdict, only these lessons (may be repeated)
--all         also how long \`npm test\` takes
--markdown    only the table, to paste; what goes on is told on standard error`

export async function main(args: readonly string[]): Promise<number> {
  const options = read(args)
  if (options === undefined) return 2
  const tell = (line: string): void => (options.markdown ? console.error(line) : console.log(line))
  const about = await describeMachine()
  for (const line of about) tell(line)
  const rows: Row[] = []
  const problems: string[] = []
  await inFolder('bench-', async (folder) => {
    const leave = (code: number): void => {
      void endAll().finally(() => {
        rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
        process.exit(code)
      })
    }
    process.once('SIGINT', () => leave(130)).once('SIGTERM', () => leave(143))
    copyProject(folder)
    for (const part of options.parts) {
      tell(`\n${part}`)
      try {
        rows.push(...(await parts[part]({ folder, lessons: options.lessons, runs: options.runs, tell })))
      } catch (error) {
        problems.push(`${part}: ${error instanceof Error ? error.message : String(error)}`)
        tell(problems.at(-1) ?? '')
      }
    }
  })
  if (!options.markdown) console.log('')
  console.log(tableOf(rows))
  if (options.markdown) console.log(`\n${about.join(' · ')}`)
  return problems.length === 0 ? 0 : 1
}

/** As Markdown. */
export function tableOf(rows: readonly Row[]): string {
  return [
    '| what | to reach | measured |',
    '| --- | --- | --- |',
    ...rows.map(({ what, wanted, measured }) => `| ${what} | ${wanted} | ${measured.replaceAll('|', '·')} |`),
  ].join('\n')
}

/** What the numbers depend on. The load is that of before. */
async function describeMachine(): Promise<readonly string[]> {
  const gigabytes = (bytes: number): string => (bytes / 1024 ** 3).toFixed(1)
  const load = loadavg().map((one) => one.toFixed(2))
  const git = async (...args: readonly string[]): Promise<string> =>
    (await run('git', args).catch(() => ({ stdout: '' }))).stdout.trim()
  const commit = await git('rev-parse', '--short', 'HEAD')
  const changed = commit === '' ? '' : await git('status', '--porcelain')
  return [
    new Date().toISOString().slice(0, 16).replace('T', ' '),
    commit === '' ? 'no commit' : `commit ${commit}${changed === '' ? '' : ', with changes'}`,
    `${availableParallelism()} of ${cpus().length} cores, ${cpus()[0]?.model.trim() ?? 'of an unknown kind'}`,
    `${gigabytes(totalmem())} GiB, ${gigabytes(freemem())} free`,
    `Node ${process.version}, ${process.platform}-${process.arch}`,
    `load average before: ${load.join(', ')}`,
  ]
}

interface Options {
  readonly parts: readonly Part[]
  readonly runs: number
  readonly lessons: readonly Lesson[]
  readonly markdown: boolean
}

function read(args: readonly string[]): Options | undefined {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        runs: { type: 'string', default: '3' },
        lesson: { type: 'string', multiple: true },
        all: { type: 'boolean', default: false },
        markdown: { type: 'boolean', default: false },
      },
    })
    if (!/^[1-9]\d*$/.test(values.runs)) throw new Error(`--runs takes a whole number, not ${values.runs}.`)
    const names = Object.keys(parts) as Part[]
    const unknown = positionals.find((name) => !names.some((one) => one === name))
    if (unknown !== undefined) throw new Error(`There is no part ${unknown}: choose ${names.join(', ')}.`)
    const isWanted = (part: Part): boolean =>
      (part === 'test' && values.all) ||
      (positionals.length === 0 ? part !== 'test' : positionals.includes(part))
    const known = lessons()
    const chosen = values.lesson?.map((number) => {
      const lesson = known.find((one) => String(one.number) === number)
      if (lesson === undefined) throw new Error(`There is no lesson ${number}.`)
      return lesson
    })
    return {
      parts: names.filter(isWanted),
      runs: Number(values.runs),
      lessons: chosen ?? known,
      markdown: values.markdown,
    }
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`)
    return undefined
  }
}

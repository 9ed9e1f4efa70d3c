/** A desk without a process: a project in a temporary folder, outputs that can be read, a keyboard that can be played. */

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { PassThrough, Writable } from 'node:stream'
import { stripVTControlCharacters } from 'node:util'
import type { Grader } from '../../harness/grading.ts'
import type { Desk, Input, Output } from '../desk.ts'

export interface TestOutput extends Writable {
  readonly isTTY?: boolean
  readonly columns?: number
  readonly rows?: number
  /** All that was written, without colours and cursor movements. */
  text(): string
}

export interface TestDesk extends Desk {
  readonly stdout: TestOutput
  readonly stderr: TestOutput
  /** Types on the keyboard. */
  press(keys: string): void
  interrupt(reason: unknown): void
}

export interface DeskOptions {
  readonly root: string
  readonly grader: Grader
  readonly terminal?: boolean
  readonly env?: NodeJS.ProcessEnv
  /** What is to be known of the machine; nothing unless told. */
  readonly caution?: string
}

export function testDesk({ root, grader, terminal = false, env = {}, caution }: DeskOptions): TestDesk {
  const keyboard = new PassThrough()
  const stdin: Input = Object.assign(keyboard, { isTTY: terminal, setRawMode: () => keyboard })
  const controller = new AbortController()
  return {
    root,
    stdin,
    stdout: testOutput(terminal),
    stderr: testOutput(terminal),
    env,
    openGrader: () => Promise.resolve(grader),
    caution: () => Promise.resolve(caution),
    interruption: () => controller.signal,
    press: (keys) => void keyboard.write(keys),
    interrupt: (reason) => controller.abort(reason),
  }
}

function testOutput(terminal: boolean): TestOutput & Output {
  let written = ''
  const output = new Writable({
    write(chunk: Buffer, _encoding, done) {
      written += chunk.toString()
      done()
    },
  })
  return Object.assign(output, {
    isTTY: terminal,
    columns: 81,
    rows: 50,
    text: () => stripVTControlCharacters(written).replaceAll('\u00A0', ' '),
  })
}

/** A project with three lessons, and nothing else. */
export async function testProject(): Promise<{ readonly root: string } & AsyncDisposable> {
  const root = await mkdtemp(join(tmpdir(), 'every core '))
  const titles = {
    '01-single-thread': 'The baseline',
    '02-two-roles': 'Two roles',
    '03-basic-cluster': 'A basic cluster',
  }
  for (const [slug, title] of Object.entries(titles)) {
    const number = Number(slug.slice(0, 2))
    await write(
      join(root, 'lessons', slug, 'README.md'),
      `# ${number} · ${title}\n\nWhy.\n\n## Your task\n\nEdit it.\n`,
    )
    await write(join(root, 'lessons', slug, 'hints.md'), hints)
    await write(join(root, 'lessons', slug, 'server.ts'), 'const cores = 1\nconst name = 2\n')
    await write(join(root, 'checks', slug, 'starter', 'server.ts'), 'const cores = 0 // TODO\n')
    await write(join(root, 'solutions', slug, 'server.ts'), 'const cores = 4\nconst name = 2\n')
  }
  return { root, [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }) }
}

export async function write(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, text)
}

/** Waits until it holds. @throws what was seen last, after five seconds */
export async function until(holds: () => boolean, seen: () => string): Promise<void> {
  const deadline = performance.now() + 5000
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`It did not happen within 5 s. Seen last:\n${seen()}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

const hints = `# Hints

## a WORKERS that makes no sense is refused

1. What is Number('abc')?
2. Look at the text first.
`

import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const starter = fileURLToPath(new URL('start.mjs', import.meta.url))

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

function start(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  return ended(spawn(process.execPath, [starter, ...args], { env: { PATH: process.env['PATH'], ...env } }))
}

function ended(child: ChildProcessWithoutNullStreams): Promise<Ended> {
  const said = { stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].on('data', (chunk: Buffer) => {
      said[stream] += chunk.toString()
    })
  }
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, ...said }))
  })
}

test('an unknown command is refused with those there are', async () => {
  const { code, stdout, stderr } = await start(['chek'])
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr).toMatch(/^There is no command chek: choose lesson, check,/)
})

test('no command at all is refused', async () => {
  const { code, stderr } = await start([])
  expect([code, stderr]).toEqual([2, expect.stringMatching(/^No command is given: choose /)])
})

test('an option that npm took for itself is told', async () => {
  const { code, stdout, stderr } = await start(['check', '3'], { npm_config_json: 'true' })
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr).toBe('npm took --json for itself: put `--` before it: npm run check -- --json\n')
})

test('help and refusals need no grader', async () => {
  const help = await start(['check', '--help'])
  expect([help.code, help.stderr]).toEqual([0, ''])
  expect(help.stdout).toContain('npm run check -- 3 --file PATH')
  const wrong = await start(['lesson', '99'])
  expect([wrong.code, wrong.stderr]).toEqual([
    2,
    expect.stringMatching(/^There is no lesson 99: choose 1 to \d+\.\n$/),
  ])
})

test('the list reaches a reader that goes away after one line', async () => {
  const { code, stderr } = await new Promise<Ended>((resolve, reject) => {
    const shell = spawn('bash', [
      '-c',
      '"$0" "$1" lesson | head -1; exit ${PIPESTATUS[0]}',
      process.execPath,
      starter,
    ])
    let stderr = ''
    shell.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString()
    })
    shell.on('error', reject)
    shell.on('close', (code) => resolve({ code, stdout: '', stderr }))
  })
  expect([code, stderr]).toEqual([0, ''])
})

test.each([
  ['n', 64, 'Too few files may be open at a time here'],
  ['n', 127, 'Too few files may be open at a time here'],
])('a limit that a right program would fail under is refused: ulimit -%s %i', async (letter, limit, says) => {
  const { code, stdout, stderr } = await limited(letter, limit, ['check', '3'])
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr).toMatch(new RegExp(`^${says}.*\\n.*: ulimit -${letter} 4096\\n$`))
})

test.each(['#', '?', '*'])('a path with a %s in it is refused: modules are not found there', async (sign) => {
  const folder = mkdtempSync(join(tmpdir(), `place ${sign} `))
  try {
    const tools = join(folder, 'tools')
    mkdirSync(tools)
    copyFileSync(starter, join(tools, 'start.mjs'))
    const { code, stderr } = await ended(spawn(process.execPath, [join(tools, 'start.mjs'), 'check']))
    expect(code).toBe(2)
    expect(stderr).toContain(`The path of the project has a ${sign} in it`)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

function limited(letter: string, limit: number, args: readonly string[]): Promise<Ended> {
  return ended(
    spawn('bash', ['-c', `ulimit -${letter} ${limit}; exec "$0" "$@"`, process.execPath, starter, ...args]),
  )
}

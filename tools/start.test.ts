import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const starter = fileURLToPath(new URL('start.mjs', import.meta.url))

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

function start(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const child = spawn(process.execPath, [starter, ...args], { env: { PATH: process.env['PATH'], ...env } })
  const ended = { stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].on('data', (chunk: Buffer) => {
      ended[stream] += chunk.toString()
    })
  }
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, ...ended }))
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

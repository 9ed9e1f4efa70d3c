import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { listenersOf } from '../sockets.ts'
import { canCount, carriers } from '../survivors.ts'
import { leftOf, problemWithKept } from './after.ts'
import { startCommand, type Running } from './running.ts'

/** Starts a child that listens and lives on, writes a file, and ends when it is told to. */
const LEAVES = `
  const { spawn } = require('node:child_process')
  require('node:fs').writeFileSync(process.env.TMPDIR + '/left.txt', '')
  const listen = "require('node:net').createServer().listen(0, () => console.log('listens'))"
  spawn(process.execPath, ['-e', listen], { detached: true, stdio: ['ignore', 'inherit', 'ignore'] })
  process.stdin.once('data', () => process.exit())`

test.runIf(canCount)('a process, its port and a file that a command leaves are counted', async () => {
  const temporary = mkdtempSync(join(tmpdir(), 'ending-'))
  try {
    const env = { TMPDIR: temporary }
    using running = startCommand([process.execPath, '-e', LEAVES], { cwd: temporary, env })
    await saying(running, 'listens')
    const sockets = listenersOf(carriers(running.mark))
    running.child.stdin?.end('end')
    await running.ended
    const left = await leftOf(running, { sockets, folder: temporary, temporary })
    expect(left).toMatchObject({ processes: [expect.stringContaining('node')], files: ['left.txt'] })
    expect(left.sockets).toEqual([...sockets.values()])
    expect(left.sockets).toHaveLength(1)
  } finally {
    rmSync(temporary, { recursive: true, force: true })
  }
})

test.runIf(canCount)('a command that leaves nothing has left nothing', async () => {
  const temporary = mkdtempSync(join(tmpdir(), 'ending-'))
  try {
    using running = startCommand([process.execPath, '-e', ''], { cwd: temporary, env: {} })
    expect(await running.ended).toEqual({ code: 0, signal: null })
    const left = await leftOf(running, { sockets: new Map(), folder: temporary, temporary })
    expect(left).toEqual({ processes: [], sockets: [], files: [] })
  } finally {
    rmSync(temporary, { recursive: true, force: true })
  }
})

test.each([
  ['what it was', '{"attempts":3}', '{"attempts":3}', undefined],
  ['one attempt more', '{"attempts":3}', '{"attempts":4}', undefined],
  ['the first attempt', undefined, '{"attempts":1}', undefined],
  ['two attempts more', '{"attempts":3}', '{"attempts":5}', 'the progress tells 5 attempts, after 3'],
  ['half of it', '{"attempts":3}', '{"atte', 'cannot be read'],
  ['nothing any more', '{"attempts":3}', undefined, 'cannot be read'],
])('of progress that is %s', (_what, before, now, problem) => {
  if (problem === undefined) expect(problemWithKept(before, now)).toBeUndefined()
  else expect(problemWithKept(before, now)).toContain(problem)
})

async function saying({ child, output }: Running, words: string): Promise<void> {
  while (!output().includes(words)) {
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}: ${output()}`)
    await new Promise((resolve) => child.stdout?.once('data', resolve))
  }
}

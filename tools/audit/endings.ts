/** However a grading ends, nothing of it lives on. */

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { projectRoot } from '../catalog.ts'
import { canCount, mark, pids, programs, read, survivors } from './survivors.ts'
import type { Tally } from './tally.ts'

const cli = join(projectRoot, 'tools', 'start.mjs')

/** How many ticks on the screen the grading has come when it is ended: at the start, in the middle, under load. */
const moments = [0, 5, 9] as const

export async function auditEndings(tally: Tally): Promise<void> {
  if (!canCount) return tally.skip('endings', 'processes are counted by /proc, which is not here')
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGKILL'] as const) {
    for (const ticks of signal === 'SIGKILL' ? moments : moments.slice(0, 2)) {
      await timed(
        tally,
        `${signal} after ${ticks} checks leaves nothing`,
        (grading) => grading.kill(signal),
        ticks,
      )
    }
  }
  await timed(tally, 'the keeper killed by SIGKILL takes its programs with it', killKeeper, 1)
}

async function timed(
  tally: Tally,
  what: string,
  end: (grading: ChildProcess) => unknown,
  ticks: number,
): Promise<void> {
  const started = performance.now()
  const ours = mark()
  const grading = spawn(process.execPath, [cli, 'check', '3', '--solutions'], {
    cwd: projectRoot,
    env: { ...process.env, [ours.name]: ours.value },
  })
  const ended = once(grading, 'exit')
  let output = ''
  grading.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  grading.stderr.resume()
  while (programs(ours).length === 0 || output.split('✓').length - 1 < ticks) {
    await sleep(10)
    if (grading.exitCode !== null) return tally.add(what, `the grading ended too early:\n${output}`, 0)
  }
  end(grading)
  const late = setTimeout(() => grading.kill('SIGKILL'), 30_000)
  await ended
  clearTimeout(late)
  const [code, signal] = (await ended) as [number | null, string | null]
  const problem =
    (await survivors(ours, { within: 2_000 })) ??
    (signal === 'SIGKILL' && !what.startsWith('SIGKILL') ? 'it had to be killed' : undefined)
  tally.add(`${what} (${signal ?? `exit code ${code}`})`, problem, performance.now() - started)
}

function killKeeper(grading: ChildProcess): void {
  for (const pid of pids()) {
    if (!read(`/proc/${pid}/cmdline`).includes('keeper.mjs')) continue
    if (Number(/^PPid:\s*(\d+)/m.exec(read(`/proc/${pid}/status`))?.[1]) === grading.pid)
      process.kill(Number(pid), 'SIGKILL')
  }
}

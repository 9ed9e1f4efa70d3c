/** Runs the learner's server as they would by hand. */

import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { learnersSubject } from '../subjects.ts'
import { inProject } from '../../catalog.ts'
import { type Visit, pageOf, warnOn } from './visit.ts'

export function run(visit: Visit): Promise<number> {
  const { desk, lesson } = visit
  const { paint } = pageOf(visit)
  const file = inProject(learnersSubject(lesson).file, desk.root)
  const port = desk.env['PORT'] || '8000'
  const say = warnOn(desk)
  say(paint.gray(`node --import tsx ${file}`))
  say(`http://127.0.0.1:${port}/render?visitor=you · Ctrl-C ends it`)
  return serve(file, visit)
}

function serve(file: string, { desk }: Visit): Promise<number> {
  const child = spawn(process.execPath, ['--import', 'tsx', file], {
    cwd: desk.root,
    env: desk.env,
    stdio: 'inherit',
  })
  // In a terminal Ctrl-C reaches the server by itself; a second one from here could cut its shutdown.
  const onInterrupt = (): void => {
    if (desk.stdin.isTTY !== true) child.kill('SIGINT')
  }
  const forward = (signal: NodeJS.Signals): void => void child.kill(signal)
  process.on('SIGINT', onInterrupt).on('SIGTERM', forward).on('SIGHUP', forward)
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      process.off('SIGINT', onInterrupt).off('SIGTERM', forward).off('SIGHUP', forward)
      resolve(signal === null ? (code ?? 0) : 128 + constants.signals[signal])
    })
  })
}

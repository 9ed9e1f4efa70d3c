/** Runs the learner's server as they would by hand; in a terminal with a live view of its processes. */

import { spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { constants } from 'node:os'
import { learnersSubject } from '../subjects.ts'
import { inProject } from '../../catalog.ts'
import { type Visit, pageOf, warnOn } from './visit.ts'

export interface RunOptions {
  /** Its output straight through, as without a terminal. */
  readonly plain: boolean
}

/** @returns the exit code of the server, or how the learner ended it */
export async function run(visit: Visit, { plain }: RunOptions): Promise<number> {
  const { desk, lesson } = visit
  const { paint } = pageOf(visit)
  const path = learnersSubject(lesson).file
  const file = inProject(path, desk.root)
  const port = desk.env['PORT'] || '8000'
  const say = warnOn(desk)
  const isTerminal = desk.stdin.isTTY === true && desk.stdout.isTTY === true && desk.env['TERM'] !== 'dumb'
  const live = isTerminal && !plain
  say(paint.gray(`node --import tsx ${file}`))
  say(`http://127.0.0.1:${port}/render?visitor=you${live ? '' : ' · Ctrl-C ends it'}`)
  if (await isTaken(Number(port))) {
    const other = Number(port) === 65_535 ? 8_001 : Number(port) + 1
    say(
      paint.yellow(
        `Port ${port} is taken: another program listens there already. This is how yours takes it.`,
      ),
    )
    say(paint.yellow(`To run it beside that one: PORT=${other} npm run lesson ${lesson.number} run`))
  }
  if (!live) return serve(file, visit)
  const { runLive } = await import('./run-live.ts')
  return runLive(visit, { file: path, port: Number(port) })
}

/** Whether somebody listens there: asked by listening, for a moment, as the server will. */
function isTaken(port: number): Promise<boolean> {
  if (!Number.isInteger(port) || port < 1 || port > 65_535) return Promise.resolve(false)
  return new Promise((resolve) => {
    const server = createServer()
    server.on('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'EADDRINUSE'))
    server.listen(port, () => server.close(() => resolve(false)))
  })
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

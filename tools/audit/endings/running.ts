/** A command of the project, started as a person starts it, and all the processes that come of it. */

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { carriers, mark, read, type Mark } from '../survivors.ts'

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface Running extends Disposable {
  readonly child: ChildProcess
  readonly mark: Mark
  readonly ended: Promise<Ended>
  /** Both streams, so far. */
  readonly output: () => string
  /** The process of the command itself, whatever starts it; 0 where it has ended before it was seen. */
  readonly command: () => Promise<number>
  /** The process that keeps the programs, where there is one. */
  readonly keeper: () => number | undefined
}

/** Starts it in a process group of its own, as a shell does. On disposal whatever is left of it is killed. */
export function startCommand(
  argv: readonly string[],
  options: { readonly cwd: string; readonly env: Readonly<Record<string, string>> },
): Running {
  const ours = mark()
  const [name = '', ...args] = argv
  const env = { ...process.env, ...options.env, [ours.name]: ours.value }
  const child = spawn(name, args, { cwd: options.cwd, env, detached: true, stdio: 'pipe' })
  let output = ''
  const hear = (text: string): void => {
    output += text
  }
  child.stdout.setEncoding('utf8').on('data', hear)
  child.stderr.setEncoding('utf8').on('data', hear)
  child.stdin.on('error', () => {})
  // Ctrl-C ends the audit too, and the group of this one hears nothing of it.
  const killAll = (): void => {
    for (const pid of carriers(ours)) send(Number(pid), 'SIGKILL')
  }
  process.once('exit', killAll)
  const ended = once(child, 'exit').then(([code, signal]: unknown[]) => ({ code, signal }) as Ended)
  ended.catch(() => {})
  const find = (script: string): number | undefined => {
    const pid = carriers(ours).find((one) => read(`/proc/${one}/cmdline`).split('\0')[1]?.endsWith(script))
    return pid === undefined ? undefined : Number(pid)
  }
  return {
    child,
    mark: ours,
    ended,
    output: () => output,
    async command() {
      while (child.exitCode === null && child.signalCode === null) {
        const pid = find('tools/start.mjs')
        if (pid !== undefined) return pid
        await sleep(10)
      }
      return 0
    },
    keeper: () => find('processes/keeper.mjs'),
    [Symbol.dispose]() {
      process.off('exit', killAll)
      killAll()
    },
  }
}

/** Sends a signal; a process that has gone gets none. @param pid below 0: to a whole group */
export function send(pid: number, signal: NodeJS.Signals): void {
  if (pid === 0) return
  try {
    process.kill(pid, signal)
  } catch {
    // It has gone.
  }
}

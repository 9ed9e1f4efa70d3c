/** Commands as a user starts them, timed from the outside: from Enter to the first mark, and to the end. */

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'

/** A check that ended, on the screen: it holds, or it does not. */
const MARK = /[✓✗]/

export interface Timed {
  /** From the start to the first ✓ or ✗, ms; undefined where none came. */
  readonly firstMs: number | undefined
  /** From the start to the end, ms. */
  readonly ms: number
  readonly code: number | null
  readonly output: string
}

export interface Spawned {
  readonly child: ChildProcess
  /** What it has said so far, both streams. */
  readonly output: () => string
  /** Waits until what it has said since `from` (a length of `output`) matches: ms since `since`. */
  readonly says: (pattern: RegExp, from: number, within: number) => Promise<number | undefined>
  readonly ended: Promise<number | null>
}

/** In a process group of its own, as a shell starts it, so that a signal can be sent to all of it. */
export function start(
  command: readonly string[],
  { cwd, env = {} }: { readonly cwd: string; readonly env?: Readonly<Record<string, string>> },
): Spawned {
  const [name = '', ...args] = command
  const child = spawn(name, args, { cwd, env: { ...process.env, ...env }, detached: true, stdio: 'pipe' })
  let output = ''
  let listeners: (() => void)[] = []
  const hear = (text: string): void => {
    output += text
    for (const listener of listeners) listener()
  }
  child.stdout.setEncoding('utf8').on('data', hear)
  child.stderr.setEncoding('utf8').on('data', hear)
  child.stdin.on('error', () => {})
  const ended = once(child, 'close').then(([code]) => code as number | null)
  const entry = { child, ended }
  running.add(entry)
  child.once('close', () => running.delete(entry))
  const says: Spawned['says'] = (pattern, from, within) => {
    const since = performance.now()
    return new Promise((resolve) => {
      const finish = (ms: number | undefined): void => {
        clearTimeout(deadline)
        listeners = listeners.filter((one) => one !== look)
        resolve(ms)
      }
      const look = (): void => {
        if (pattern.test(output.slice(from))) finish(performance.now() - since)
      }
      const deadline = setTimeout(() => finish(undefined), within)
      listeners.push(look)
      look()
      ended.then(
        () => finish(undefined),
        () => finish(undefined),
      )
    })
  }
  return { child, output: () => output, says, ended }
}

/** Runs it to its end, or, with `untilMark`, to the first mark: then it gets what Ctrl-C sends. */
export async function time(
  command: readonly string[],
  options: {
    readonly cwd: string
    readonly untilMark?: boolean
    readonly within: number
  },
): Promise<Timed> {
  const started = performance.now()
  const one = start(command, { cwd: options.cwd })
  try {
    const firstMs = await one.says(MARK, 0, options.within)
    if (options.untilMark === true && firstMs !== undefined) signal(one, 'SIGINT')
    const late = setTimeout(() => signal(one, 'SIGKILL'), options.within)
    const code = await one.ended
    clearTimeout(late)
    return { firstMs, ms: performance.now() - started, code, output: one.output() }
  } finally {
    signal(one, 'SIGKILL')
  }
}

const running = new Set<Pick<Spawned, 'child' | 'ended'>>()

/** Ends what still runs, as Ctrl-C would: a group of its own hears nothing of one that is pressed here. */
export async function endAll(): Promise<void> {
  const all = [...running]
  for (const one of all) signal(one, 'SIGINT')
  const late = setTimeout(() => all.forEach((one) => signal(one, 'SIGKILL')), 5_000)
  await Promise.all(all.map((one) => one.ended))
  clearTimeout(late)
}

/** To its whole group; nothing where that has gone. */
export function signal({ child }: Pick<Spawned, 'child'>, name: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, name)
  } catch {
    // It has gone.
  }
}

export { MARK }

/** What a command works with: the project, three streams, the environment, a grader. Tests bring their own. */

import type { Writable } from 'node:stream'
import { projectRoot } from '../catalog.ts'
import type { Grader } from '../harness/grading.ts'

/** An output, which may be a terminal. */
export type Output = Writable & {
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
  readonly rows?: number | undefined
}

/** An input, which may be a terminal. */
export type Input = NodeJS.ReadableStream & {
  readonly isTTY?: boolean | undefined
  setRawMode?(raw: boolean): unknown
  unref?(): unknown
}

export interface Desk {
  /** The project's folder, absolute. */
  readonly root: string
  readonly stdin: Input
  readonly stdout: Output
  readonly stderr: Output
  readonly env: NodeJS.ProcessEnv
  openGrader(): Promise<Grader>
  /** What of this machine matters before a first lesson, in one line; undefined where nothing does. */
  caution(): Promise<string | undefined>
  /**
   * Aborts when the person or the system ends the command; from the first call on, signals end nothing by
   * themselves. The reason is an Interruption.
   */
  interruption(): AbortSignal
}

/** The command was told to end. */
export class Interruption extends Error {
  override readonly name = 'Interruption'
  readonly exitCode: number

  constructor(exitCode: number) {
    super('The command was told to end.')
    this.exitCode = exitCode
  }
}

/** The desk of this process. */
export function deskOfProcess(): Desk {
  let interruption: AbortSignal | undefined
  return {
    root: projectRoot,
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    async openGrader() {
      const { openGrader } = await import('../harness/grading.ts')
      return openGrader({ root: projectRoot })
    },
    async caution() {
      const { cautionFor } = await import('./doctor/caution.ts')
      return cautionFor(projectRoot)
    },
    interruption() {
      interruption ??= interruptionOfProcess()
      return interruption
    },
  }
}

/** Ctrl-C reaches this process from the terminal, and once more from npm: only a later signal ends it by force. */
const echoMs = 1000

const endings = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 }

function interruptionOfProcess(): AbortSignal {
  const controller = new AbortController()
  let first: number | undefined
  for (const [signal, number] of Object.entries(endings)) {
    const end = (): void => {
      first ??= performance.now()
      controller.abort(new Interruption(128 + number))
      if (performance.now() - first < echoMs) return
      process.off(signal, end)
      process.kill(process.pid, signal)
    }
    process.on(signal, end)
  }
  // vitest has a listener that exits a millisecond after the signal, while we still clear up.
  process.on('newListener', (event: string, listener: () => void) => {
    if (Object.hasOwn(endings, event)) queueMicrotask(() => process.off(event, listener))
  })
  return controller.signal
}

/** Asks another program of this machine. */

import { execFile } from 'node:child_process'

/** What it prints; undefined when it is not there, fails, or does not end within five seconds. */
export function outputOf(command: string, args: readonly string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(command, args, { timeout: 5000, killSignal: 'SIGKILL' }, (error, stdout) =>
      resolve(error === null ? stdout : undefined),
    )
  })
}

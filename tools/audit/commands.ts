/** Runs a command of the project and keeps what it says. */

import { $ } from 'zx'
import { projectRoot } from '../catalog.ts'

export interface Ran {
  readonly code: number | null
  readonly signal: string | null
  /** Standard output, then standard error. */
  readonly output: string
  readonly stdout: string
}

/** Runs it in the project's folder; what it says is kept, not shown. Never rejects for its exit code. */
export async function run(
  command: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<Ran> {
  const quietly = $({
    cwd: projectRoot,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    nothrow: true,
    quiet: true,
  })
  const { exitCode, signal, stdout, stderr } = await quietly`${[command, ...args]}`
  return { code: exitCode, signal, stdout, output: stdout + stderr }
}

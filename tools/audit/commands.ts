/** Runs a command of the project and keeps what it says. */

import { spawn } from 'node:child_process'
import { projectRoot } from '../catalog.ts'

export interface Ran {
  readonly code: number | null
  readonly output: string
  readonly stdout: string
}

/** Runs it in the project's folder; the output is kept, not shown. */
export function run(
  command: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: projectRoot,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    })
    let output = ''
    let stdout = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text
      stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text))
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, output, stdout }))
  })
}

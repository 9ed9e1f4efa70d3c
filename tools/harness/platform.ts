/** What this platform offers to checks, and what it does not. */

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { note, skip } from './check.ts'
import type { Program } from './program.ts'

/** The number of a core that this process may run on; ends the check as skipped where affinity cannot be set. */
export function oneAllowedCore(): number {
  if (process.platform !== 'linux')
    skip('Only Linux lets a program be bound to one core from outside (taskset).')
  try {
    execFileSync('taskset', ['--version'], { stdio: 'ignore' })
  } catch {
    skip('The command `taskset` is not installed (it is part of util-linux).')
  }
  const allowed = /^Cpus_allowed_list:\s*(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))
  return Number(allowed?.[1] ?? 0)
}

/**
 * Listens on a port on every address until disposed. Each address is bound on its own, since BSD systems let a
 * listener on one address stand beside one on all of them.
 */
export async function holdPort(port: number): Promise<AsyncDisposable> {
  const servers: Server[] = []
  for (const host of ['::', '0.0.0.0', '127.0.0.1', '::1']) {
    const server = createServer((socket) => socket.destroy())
    const bound = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false))
      server.listen({ port, host, exclusive: true }, () => resolve(true))
    })
    if (bound) servers.push(server)
  }
  if (servers.length === 0) throw new Error(`port ${port} could not be held`)
  return {
    async [Symbol.asyncDispose]() {
      await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
    },
  }
}

/** Says so where the file under check uses names that Node keeps only for old programs. */
export function noteOldNames(program: Program): void {
  const source = readFileSync(program.identity.file, 'utf8')
  for (const [old, name] of [
    ['isMaster', 'isPrimary'],
    ['setupMaster', 'setupPrimary'],
  ] as const) {
    if (new RegExp(String.raw`\b${old}\b`).test(source))
      note(`cluster.${old} is the old name of cluster.${name} (deprecated since Node 16).`)
  }
}

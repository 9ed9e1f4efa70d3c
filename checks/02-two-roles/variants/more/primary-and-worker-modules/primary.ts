/** Forks, and prints what its workers print with their number before it. */

import cluster from 'node:cluster'
import { availableParallelism } from 'node:os'
import { createInterface } from 'node:readline'

export function run(port: number): void {
  cluster.setupPrimary({
    silent: true,
    serialization: 'advanced',
    args: ['--role', 'worker'],
    execArgv: ['--import', 'tsx'],
  })
  cluster.on('fork', ({ id, process: child }) => {
    for (const stream of [child.stdout, child.stderr]) {
      if (stream) createInterface({ input: stream }).on('line', (line) => console.log(`[${id}] ${line}`))
    }
  })
  const workers = Array.from({ length: Number(process.env.WORKERS ?? availableParallelism()) }, () =>
    cluster.fork({ HANDBOOK_PORT: String(port) }),
  )
  process.once('SIGTERM', () => {
    for (const worker of workers) if (!worker.isDead()) worker.kill('SIGTERM')
  })
}

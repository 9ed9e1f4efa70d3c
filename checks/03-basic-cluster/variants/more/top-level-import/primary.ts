/** The primary of `top-level-import.ts`: its workers' output goes through its hands, line by line. */

import cluster, { type Worker } from 'node:cluster'
import { availableParallelism } from 'node:os'
import { createInterface } from 'node:readline'
import { NO_PORT, port } from './agreement.ts'

const limits = { least: 1, most: 64 }

export function run(): void {
  const count = wanted(process.env)
  if (count === undefined) {
    console.error('bad configuration:')
    console.error(`  WORKERS = ${process.env.WORKERS} (${limits.least} to ${limits.most}, a whole number)`)
    process.exit(1)
  }
  cluster.setupPrimary({ silent: true, execArgv: [...process.execArgv, '--max-old-space-size=256'] })
  const waiting = new Set<number>()
  let announce = (): void => console.log(`ready: ${count} workers on port ${port}`)
  const add = (): void => {
    const worker = cluster.fork({ STARTED_BY: String(process.pid) })
    waiting.add(worker.id)
    passOutput(worker)
    worker.once('listening', () => {
      waiting.delete(worker.id)
      if (waiting.size > 0) return
      announce()
      announce = () => {}
    })
    worker.once('exit', (code) => {
      if (code === NO_PORT) giveUp()
      waiting.delete(worker.id)
      add()
    })
  }
  for (let index = 0; index < count; index += 1) add()
}

function wanted({ WORKERS = '' }: NodeJS.ProcessEnv): number | undefined {
  if (WORKERS === '') return availableParallelism()
  const number = +WORKERS
  const fits = Number.isInteger(number) && number >= limits.least && number <= limits.most
  return fits ? number : undefined
}

function passOutput({ id, process: { stdout, stderr } }: Worker): void {
  for (const stream of [stdout, stderr]) {
    if (stream)
      createInterface({ input: stream }).on('line', (line) => console.error(`[worker ${id}] ${line}`))
  }
}

function giveUp(): never {
  console.error(`[primary] port ${port} belongs to somebody else`)
  for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill('SIGKILL')
  process.exit(1)
}

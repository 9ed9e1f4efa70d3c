// right: the worker is a file of its own, named through setupPrimary({ exec })

import cluster from 'node:cluster'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const { WORKERS: wanted = '', PORT: port = '8000' } = process.env

/** What a worker ends with when it cannot have the port. */
const NO_PORT = 75

if (wanted !== '' && !/^([1-9]|[1-5]\d|6[0-4])$/.test(wanted)) {
  process.stderr.write(`WORKERS=${wanted} makes no sense: a whole number from 1 to 64, please\n`)
  process.exit(1)
}

const count = wanted === '' ? availableParallelism() : Number(wanted)
const { values } = parseArgs({ options: { quiet: { type: 'boolean', default: true } } })

cluster.setupPrimary({
  exec: fileURLToPath(new URL('./worker-file/worker.ts', import.meta.url)),
  args: ['--port', port, '--no-port', String(NO_PORT)],
})

const serving = new Map<number, string>()
let told = false

cluster.on('listening', ({ id }, { address, port: bound }) => {
  serving.set(id, `${address ?? '*'}:${bound}`)
  if (!told && serving.size === count) {
    told = true
    process.stdout.write(`ready: ${count} workers on port ${bound}\n`)
  }
})

cluster.on('exit', ({ id }, code, signal) => {
  serving.delete(id)
  if (code === NO_PORT) {
    process.stderr.write(`nothing can listen on port ${port}\n`)
    process.exit(1)
  }
  if (!values.quiet) process.stdout.write(`worker ${id} ended with ${signal ?? code}\n`)
  cluster.fork()
})

Array.from({ length: count }, () => cluster.fork())

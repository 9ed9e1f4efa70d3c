// right: setupPrimary({ exec }) names a file for the workers

import cluster from 'node:cluster'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'

cluster.setupPrimary({ exec: fileURLToPath(new URL('separate-worker-file/worker.ts', import.meta.url)) })

const count = process.env.WORKERS === undefined ? availableParallelism() : Number(process.env.WORKERS)
for (let id = 1; id <= count; id += 1) cluster.fork()

cluster.on('exit', (worker, code, signal) => {
  console.log(
    `worker ${worker.id} ended (${signal ?? code}), ${Object.keys(cluster.workers ?? {}).length} left`,
  )
})

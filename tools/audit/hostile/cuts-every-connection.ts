// says: nobody did: a connection cut | was cut before an answer
// whole
import cluster from 'node:cluster'
import { createServer } from 'node:net'
import { availableParallelism } from 'node:os'

if (cluster.isPrimary) {
  const count = Number(process.env.WORKERS || availableParallelism())
  for (let forked = 0; forked < count; forked++) cluster.fork()
} else {
  createServer((socket) => socket.destroy()).listen(Number(process.env.PORT))
}

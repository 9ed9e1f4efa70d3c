// says: it listens on 127.0.0.2
import cluster from 'node:cluster'
import { createServer } from 'node:http'
import { availableParallelism } from 'node:os'

if (cluster.isPrimary) {
  const count = Number(process.env.WORKERS || availableParallelism())
  for (let forked = 0; forked < count; forked++) cluster.fork()
} else {
  createServer((_request, response) => response.end()).listen(Number(process.env.PORT), '127.0.0.2')
}

// says: a head of more than
// check: every page is rendered for its visitor
// whole
import cluster from 'node:cluster'
import { createServer } from 'node:http'
import { availableParallelism } from 'node:os'

if (cluster.isPrimary) {
  const count = Number(process.env.WORKERS || availableParallelism())
  for (let forked = 0; forked < count; forked++) cluster.fork()
} else {
  createServer((_request, response) => response.setHeader('x-long', 'x'.repeat(100_000)).end()).listen(
    Number(process.env.PORT),
  )
}

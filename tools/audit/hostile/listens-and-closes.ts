// says: closed its server again | servers were closed again
import cluster from 'node:cluster'
import { createServer } from 'node:http'
import { availableParallelism } from 'node:os'

if (cluster.isPrimary) {
  const count = Number(process.env.WORKERS || availableParallelism())
  for (let forked = 0; forked < count; forked++) cluster.fork()
} else {
  const server = createServer((_request, response) => response.end())
  server.listen(Number(process.env.PORT), () => server.close())
}

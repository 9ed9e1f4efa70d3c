// says: an answer without end
// whole
import cluster from 'node:cluster'
import { createServer } from 'node:http'
import { availableParallelism } from 'node:os'

if (cluster.isPrimary) {
  const count = Number(process.env.WORKERS || availableParallelism())
  for (let forked = 0; forked < count; forked++) cluster.fork()
} else {
  createServer((_request, response) => {
    const more = (): void => {
      while (!response.destroyed && response.write('x'.repeat(65_536)));
      response.once('drain', more)
    }
    more()
  }).listen(Number(process.env.PORT))
}

// says: it listens on port 0 | it listens on port
import cluster from 'node:cluster'
import { createServer } from 'node:http'

if (cluster.isPrimary) {
  cluster.fork()
  cluster.fork()
} else {
  createServer((_request, response) => response.end()).listen(Number(process.env.PORT) + 1)
}

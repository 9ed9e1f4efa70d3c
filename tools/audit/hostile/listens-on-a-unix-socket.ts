// says: it listens on the Unix socket
// leaves: hostile.sock
import cluster from 'node:cluster'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

if (cluster.isPrimary) {
  cluster.fork()
  cluster.fork()
} else {
  createServer((_request, response) => response.end()).listen(join(tmpdir(), 'hostile.sock'))
}

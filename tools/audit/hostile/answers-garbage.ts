// says: an answer that is no HTTP
// check: every page is rendered for its visitor
import cluster from 'node:cluster'
import { createServer } from 'node:net'
import { availableParallelism } from 'node:os'

if (cluster.isPrimary) {
  const count = Number(process.env.WORKERS || availableParallelism())
  for (let forked = 0; forked < count; forked++) cluster.fork()
} else {
  createServer((socket) => socket.on('error', () => {}).end('\0\x01garbage\r\n\r\n')).listen(
    Number(process.env.PORT),
  )
}

// says: cut before
// check: every page is rendered for its visitor
// whole
import cluster from 'node:cluster'
import { createServer } from 'node:net'
import { availableParallelism } from 'node:os'

if (cluster.isPrimary) {
  const count = Number(process.env.WORKERS || availableParallelism())
  for (let forked = 0; forked < count; forked++) cluster.fork()
} else {
  createServer((socket) => {
    socket
      .on('error', () => {})
      .end('HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: 1000\r\n\r\nhello')
  }).listen(Number(process.env.PORT))
}

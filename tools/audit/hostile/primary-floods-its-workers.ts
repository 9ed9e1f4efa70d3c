// says: of memory, so | the event loop of its first process is blocked
// whole
import cluster from 'node:cluster'

cluster.on('online', (worker) => {
  for (;;) worker.send('x'.repeat(65_536))
})
await import('../../../solutions/02-two-roles/server.ts')

// says: of memory, so | 0 listened on PORT
// whole
import cluster from 'node:cluster'

if (cluster.isWorker) for (;;) process.send?.('x'.repeat(65_536))
await import('../../../solutions/02-two-roles/server.ts')

// says: is stopped (SIGSTOP) | are stopped (SIGSTOP)
// whole
import cluster from 'node:cluster'

cluster.on('online', (worker) => process.kill(worker.process.pid ?? 0, 'SIGSTOP'))
await import('../../../solutions/02-two-roles/server.ts')

// says: processes live on | process lives on
// check: SIGTERM ends the program
// whole
import cluster from 'node:cluster'

// What cluster calls in a worker whose channel has closed.
if (cluster.isWorker) process.exit = (() => {}) as typeof process.exit
setInterval(() => {}, 1_000)
await import('../../../solutions/02-two-roles/server.ts')

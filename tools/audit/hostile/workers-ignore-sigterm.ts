// passes: they end with their channel to the primary
// check: SIGTERM ends the program
import cluster from 'node:cluster'

if (cluster.isWorker) process.on('SIGTERM', () => {})
await import('../../../solutions/02-two-roles/server.ts')

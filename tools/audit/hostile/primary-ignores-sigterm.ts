// says: it still runs
// check: SIGTERM ends the program
import cluster from 'node:cluster'

if (cluster.isPrimary) process.on('SIGTERM', () => {})
await import('../../../solutions/02-two-roles/server.ts')

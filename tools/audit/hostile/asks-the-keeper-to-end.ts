// passes: the keeper ends with the checker, and with nobody else
// check: every page is rendered for its visitor
// whole
import cluster from 'node:cluster'

if (cluster.isPrimary)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(process.ppid, signal)
await import('../../../solutions/02-two-roles/server.ts')

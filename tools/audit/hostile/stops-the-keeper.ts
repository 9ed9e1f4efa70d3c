// says: it sent SIGSTOP to the process that started it
// check: killing one worker leaves the others serving
// whole
import cluster from 'node:cluster'

cluster.on('exit', () => process.kill(process.ppid, 'SIGSTOP'))
await import('../../../solutions/02-two-roles/server.ts')

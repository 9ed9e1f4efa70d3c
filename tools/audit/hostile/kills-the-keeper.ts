// says: it sent SIGKILL to the process that started it
// check: killing one worker leaves the others serving
import cluster from 'node:cluster'

cluster.on('exit', () => process.kill(process.ppid, 'SIGKILL'))
await import('../../../solutions/02-two-roles/server.ts')

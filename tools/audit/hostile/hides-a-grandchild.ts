// passes: what a shell starts without an environment no check sees, and it is ended with the process group
// check: SIGTERM ends the program
// whole
import { spawn } from 'node:child_process'
import cluster from 'node:cluster'

if (cluster.isPrimary) {
  const script = `env -i sh -c 'sleep 600; : ${process.env.AUDIT_OF_EVERY_CORE}' &`
  spawn('sh', ['-c', script], { stdio: 'ignore' })
}
await import('../../../solutions/02-two-roles/server.ts')

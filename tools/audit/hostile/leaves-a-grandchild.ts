// says: process lives on | processes live on
// check: SIGTERM ends the program
import { spawn } from 'node:child_process'
import cluster from 'node:cluster'

if (cluster.isPrimary) {
  const script = `setInterval(() => {}, 1000) // ${process.env.AUDIT_OF_EVERY_CORE}`
  spawn(process.execPath, ['-e', script], { detached: true, stdio: 'ignore', env: {} }).unref()
}
await import('../../../solutions/02-two-roles/server.ts')

// says: no worker was forked
// whole
import { spawn } from 'node:child_process'

// Its environment is empty, and it ignores what asks it to end.
const script = `process.on('SIGTERM', () => {}); setInterval(() => {}, 1000) // ${process.env.AUDIT_OF_EVERY_CORE}`
const child = spawn(process.execPath, ['-e', script], { detached: true, stdio: 'ignore', env: {} })
child.unref()
setInterval(() => {}, 1000)
process.on('SIGTERM', () => {})

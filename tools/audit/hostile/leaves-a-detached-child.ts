// says: no worker was forked
import { spawn } from 'node:child_process'

// Its environment is empty, and it ignores what asks it to end.
const script = "process.on('SIGTERM', () => {}); process.on('SIGHUP', () => {}); setInterval(() => {}, 1000)"
const child = spawn(process.execPath, ['-e', script], { detached: true, stdio: 'ignore', env: {} })
child.unref()
setInterval(() => {}, 1000)
process.on('SIGTERM', () => {})

// breaks: was killed, or stopped
// whole
import { execFileSync } from 'node:child_process'

execFileSync('sh', ['-c', `kill -STOP ${process.ppid}`])
setInterval(() => {}, 1_000)

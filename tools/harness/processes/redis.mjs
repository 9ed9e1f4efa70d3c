/**
 * A Redis server on 127.0.0.1 that ends with whoever holds the other end of this process's standard input, however
 * that one ends. `node redis.mjs PORT FOLDER`; the only line on standard output is the server's process id.
 */

import { spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'

const [port = '', folder = ''] = process.argv.slice(2)
mkdirSync(folder, { recursive: true })

const settings = { port, bind: '127.0.0.1', dir: folder, save: '', appendonly: 'no', loglevel: 'warning' }
const server = spawn(
  'redis-server',
  Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]),
  // What it says goes to standard error: a warning of its own would come before its process id, at times.
  { stdio: ['ignore', process.stderr, process.stderr] },
)
server.on('spawn', () => process.stdout.write(`${server.pid}\n`))
server.on('error', () => process.exit(1))
server.on('exit', () => process.exit(0))
process.stdin.resume().on('close', () => server.kill('SIGKILL'))

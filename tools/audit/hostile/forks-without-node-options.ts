// passes: the observer gets into workers all the same
// check: SIGTERM ends the program
import cluster from 'node:cluster'

const { PORT, WORKERS, PATH } = process.env
if (cluster.isPrimary) process.env = { PORT, WORKERS, PATH, NODE_OPTIONS: '--no-warnings' }
if (cluster.isPrimary) cluster.setupPrimary({ execArgv: [...process.execArgv, '--no-deprecation'] })
await import('../../../solutions/02-two-roles/server.ts')

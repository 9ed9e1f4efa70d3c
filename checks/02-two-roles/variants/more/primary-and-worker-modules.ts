// right: the role decides which module is imported, with settings of its own for the workers

import cluster from 'node:cluster'

const role = cluster.isPrimary ? 'primary' : 'worker'
const { run } = await (role === 'primary'
  ? import('./primary-and-worker-modules/primary.ts')
  : import('./primary-and-worker-modules/worker.ts'))
run(Number(process.env.PORT || 8000))

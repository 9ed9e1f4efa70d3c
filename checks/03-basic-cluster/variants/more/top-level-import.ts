// right: one line that imports either role; the primary passes its workers' output on, and limits their memory

import cluster from 'node:cluster'

const { run } = cluster.isPrimary
  ? await import('./top-level-import/primary.ts')
  : await import('./top-level-import/worker.ts')

run()

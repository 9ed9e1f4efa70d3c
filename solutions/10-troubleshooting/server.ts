/** Lesson 10 · the whole service: it finds its own hung, leaking and crashed workers, and tells what it does. */

import cluster from 'node:cluster'
import { lead } from './primary.ts'
import { work } from './worker.ts'

if (cluster.isPrimary) lead()
else work()

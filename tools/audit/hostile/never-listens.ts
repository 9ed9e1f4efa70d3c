// says: 2 workers were forked, and 0 listened on PORT
// whole
import cluster from 'node:cluster'

if (cluster.isPrimary) {
  cluster.fork()
  cluster.fork()
}
setInterval(() => {}, 1_000)

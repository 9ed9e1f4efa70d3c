// says: killed by SIGKILL
import cluster from 'node:cluster'

if (cluster.isPrimary) cluster.fork()
else process.kill(process.ppid, 'SIGKILL')

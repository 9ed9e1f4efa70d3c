/**
 * A plain cluster, as Node's round robin serves it: a light route, and a report of 300 ms in one synchronous go. What
 * a balancing program's light requests are compared with.
 */

import cluster from 'node:cluster'
import { createServer } from 'node:http'
import { performance } from 'node:perf_hooks'

const REPORT_MS = 300

if (cluster.isPrimary) {
  for (let forked = 0; forked < Number(process.env.WORKERS); forked += 1) cluster.fork()
} else {
  createServer((request, response) => {
    const end = performance.now() + (request.url === '/report' ? REPORT_MS : 0)
    while (performance.now() < end);
    response.end('{}')
  }).listen(Number(process.env.PORT))
}

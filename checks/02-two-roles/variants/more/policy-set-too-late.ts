// right: sets the policy after the first fork, where it has no effect any more and does no harm

import cluster from 'node:cluster'
import { createServer, type ServerResponse } from 'node:http'
import { availableParallelism } from 'node:os'
import { renderHandbook } from '#handbook'

function startWorkers(count: number): void {
  for (let index = 0; index < count; index += 1) {
    cluster.fork()
    if (index === 0) cluster.schedulingPolicy = cluster.SCHED_NONE
  }
}

function startServing(port: number): void {
  const visits: string[] = []
  const known: Record<string, (url: string, response: ServerResponse) => void> = {
    '/': (url, response) => {
      visits.push(url)
      const who = { role: 'worker', pid: process.pid, ppid: process.ppid, worker: cluster.worker?.id }
      response.end(JSON.stringify({ ...who, hits: visits.length }))
    },
    '/render': (url, response) => {
      const { searchParams } = new URL(url, 'http://worker')
      response.setHeader('content-type', 'text/html;charset=utf-8')
      response.end(renderHandbook(searchParams.get('visitor') ?? ''))
    },
  }
  createServer(({ url = '/', method }, response) => {
    const path = url.split('?')[0] ?? ''
    const found = Object.entries(known).find(([name]) => name === path)?.[1]
    response.statusCode = found === undefined ? 404 : method === 'GET' ? 200 : 405
    if (found !== undefined && response.statusCode === 200) found(url, response)
    else response.end()
  }).listen(port)
}

if (cluster.isWorker) startServing(Number(process.env.PORT ?? 8000))
else startWorkers(Number(process.env.WORKERS ?? availableParallelism()))

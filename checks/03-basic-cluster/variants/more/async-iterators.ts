// right: the primary reads its events with async iterators; workers say themselves when they listen

import cluster, { type Worker } from 'node:cluster'
import { on } from 'node:events'
import { createServer } from 'node:http'
import { availableParallelism } from 'node:os'
import { renderHandbook } from '#handbook'

type News = { readonly is: 'listening' } | { readonly is: 'refused'; readonly why: string }

const port = process.env.PORT === undefined ? 8000 : Number(process.env.PORT)

if (cluster.isPrimary) {
  const count = workersFrom(process.env.WORKERS)
  const present = new Map<Worker, boolean>()
  // Both ask for their events before the first fork.
  const news = on(cluster, 'message')
  const deaths = on(cluster, 'exit')
  for (let index = 0; index < count; index += 1) present.set(cluster.fork(), false)
  await Promise.all([readNews(news, present), readDeaths(deaths, present)])
} else {
  const tell = (news: News): boolean | undefined => process.send?.(news)
  createServer()
    .on('request', (request, response) => {
      const [path, query] = request.url?.split('?') ?? []
      if (path !== '/' && path !== '/render') return response.writeHead(404).end()
      if (request.method !== 'GET') return response.writeHead(405).end()
      if (path === '/') return response.end(JSON.stringify({ pid: process.pid }))
      response.setHeader('content-type', 'text/html;charset=UTF-8')
      return response.end(renderHandbook(new URLSearchParams(query).get('visitor') ?? ''))
    })
    .on('error', ({ message }) => tell({ is: 'refused', why: message }))
    .on('listening', () => tell({ is: 'listening' }))
    .listen(port)
}

function workersFrom(text = ''): number {
  if (text.length === 0) return availableParallelism()
  const number = Number(text)
  if (number >= 1 && number <= 64 && number % 1 === 0) return number
  console.error(`I cannot make anything of WORKERS=${text}.`)
  process.exit(1)
}

async function readNews(all: AsyncIterable<unknown[]>, present: Map<Worker, boolean>): Promise<void> {
  let ready = false
  for await (const [worker, news] of all as AsyncIterable<[Worker, News]>) {
    if (news.is === 'refused') {
      console.error(`No worker can listen on port ${port}: ${news.why}`)
      process.exit(1)
    }
    if (present.has(worker)) present.set(worker, true)
    if (ready || ![...present.values()].every((listens) => listens)) continue
    ready = true
    console.log(`ready: ${present.size} workers on port ${port}`)
  }
}

async function readDeaths(all: AsyncIterable<unknown[]>, present: Map<Worker, boolean>): Promise<void> {
  for await (const [worker] of all as AsyncIterable<[Worker]>) {
    present.delete(worker)
    present.set(cluster.fork(), false)
  }
}

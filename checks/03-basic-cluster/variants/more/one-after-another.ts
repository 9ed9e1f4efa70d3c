// right: workers are started one after another, each awaited; SIGTERM lets them finish

import cluster, { type Worker } from 'node:cluster'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { availableParallelism } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { renderHandbook } from '#handbook'

const port = Number(process.env.PORT || 8000)
const serving = new Set<number>()

if (cluster.isPrimary) await lead()
else await serve()

async function lead(): Promise<void> {
  const workers = process.env.WORKERS ? Number(process.env.WORKERS) : availableParallelism()
  if (!(Number.isSafeInteger(workers) && workers > 0 && workers < 65)) {
    return fail(`cannot start with WORKERS=${process.env.WORKERS}: from 1 to 64, please`)
  }
  const stopping = new AbortController()
  process.once('SIGTERM', () => void stop(stopping))

  // A slot always has a worker in it; as long as nobody stops the program.
  const slots: { worker: Worker; listening: Promise<unknown> }[] = []
  for (let slot = 0; slot < workers; slot++) {
    slots.push(fill())
    await slots.at(-1)?.listening
  }
  // One that died meanwhile has been replaced in its slot: wait until all listen at once.
  while (slots.some(({ worker }) => !listens(worker))) await sleep(20)
  console.log(`ready: ${workers} workers on port ${port}`)

  function fill(place?: object): { worker: Worker; listening: Promise<unknown> } {
    const worker = cluster.fork()
    const lost = once(worker, 'exit')
    const slot = { worker, listening: Promise.race([once(worker, 'listening'), lost]) }
    void lost.then(([code]) => {
      if (code === 2) return fail(`port ${port} cannot be listened on`)
      if (!stopping.signal.aborted) fill(place ?? slot)
    })
    worker.once('listening', () => serving.add(worker.id))
    if (place !== undefined) Object.assign(place, slot)
    return slot
  }
}

function listens(worker: Worker): boolean {
  return !worker.isDead() && worker.isConnected() && serving.has(worker.id)
}

async function stop(stopping: AbortController): Promise<void> {
  stopping.abort()
  const all = Object.values(cluster.workers ?? {})
  const gone = all.map((worker) => worker && once(worker, 'exit'))
  for (const worker of all) worker?.disconnect()
  await Promise.race([Promise.all(gone), sleep(5_000)])
  // One that was just starting may not have understood.
  for (const worker of all) worker?.process.kill('SIGKILL')
  process.exit(0)
}

function fail(reason: string): never {
  console.error(reason)
  process.exit(1)
}

async function serve(): Promise<void> {
  const server = createServer(answer)
  try {
    server.listen(port)
    await once(server, 'listening')
  } catch {
    process.exit(2)
  }
}

function answer(...[request, response]: Parameters<RequestListener>): void {
  const [path = '', search] = request.url?.split('?') ?? []
  const known = ['/', '/render'].includes(path)
  if (!known || request.method !== 'GET') {
    response.writeHead(known ? 405 : 404).end()
  } else if (path === '/') {
    response
      .writeHead(200, { 'content-type': 'application/json; charset=utf-8' })
      .end(`{"pid":${process.pid}}`)
  } else {
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' })
    response.end(Buffer.from(renderHandbook(new URLSearchParams(search).get('visitor') ?? 'you')))
  }
}

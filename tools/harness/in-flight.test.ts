import { afterAll, beforeAll, expect, test } from 'vitest'
import { beginOnEach } from './in-flight.ts'
import type { Program } from './program.ts'
import { settle } from './settle.ts'
import { openKept, type Kept } from './testing/kept.ts'

let kept: Kept
beforeAll(async () => {
  kept = await openKept()
})
afterAll(() => kept[Symbol.asyncDispose]())

/** Answers `/render` at once, and anything else after so many ms. */
async function cluster(policy = ''): Promise<Program> {
  const program = await kept.start(`
    import cluster from 'node:cluster'
    import { createServer } from 'node:http'
    ${policy}
    if (cluster.isPrimary) { cluster.fork(); cluster.fork() }
    else createServer((request, response) => {
      const ms = /ms=(\\d+)/.exec(request.url)?.[1] ?? 0
      setTimeout(() => response.end('done'), ms)
    }).listen(Number(process.env.PORT))`)
  await settle(program, 2)
  return program
}

test.each([
  ['round robin', ''],
  ['the kernel', 'cluster.schedulingPolicy = cluster.SCHED_NONE'],
])('each worker has begun one, where %s hands out connections', async (_name, policy) => {
  await using program = await cluster(policy)
  using inFlight = await beginOnEach(program, program.listening, '/slow?ms=300', {
    read: 'x',
    keepAlive: true,
  })
  for (const worker of program.listening) {
    const request = inFlight.of(worker)
    expect(await request.untilOver()).toBe(true)
    expect(request.text).toBe('done')
    expect(request.head?.servedBy?.pid).toBe(worker.pid)
  }
})

test('one worker of several has begun one, without a wait for those that others got', async () => {
  await using program = await cluster()
  const [, last] = program.listening
  if (last === undefined) throw new Error('there is no second worker')
  for (let times = 1; times <= 5; times += 1) {
    using inFlight = await beginOnEach(program, [last], '/slow?ms=50', { read: 'x' })
    expect(await inFlight.of(last).untilOver()).toBe(true)
    expect(inFlight.of(last).head?.servedBy?.pid).toBe(last.pid)
  }
})

test('who goes away goes away from all', async () => {
  await using program = await cluster()
  const inFlight = await beginOnEach(program, program.listening, '/slow?ms=600000', { read: 'x' })
  inFlight[Symbol.dispose]()
  const cut = () => program.eventsOf('request-closed').filter(({ finished }) => !finished)
  expect(await program.until(() => cut().length >= 2 || undefined, { within: 5_000 })).toBe(true)
})

import { afterAll, beforeAll, expect, test } from 'vitest'
import { seconds } from './patience.ts'
import { follow } from './arrivals.ts'
import { watchRequests } from './faults.ts'
import { openKept, type Kept } from './testing/kept.ts'

let kept: Kept
beforeAll(async () => {
  kept = await openKept()
})
afterAll(() => kept[Symbol.asyncDispose]())

test('a request is seen to arrive, and to end, also when its client goes away', async () => {
  await using program = await kept.start(`
    import { createServer } from 'node:http'
    createServer((request, response) => { if (request.url !== '/never') response.end('here') })
      .listen(Number(process.env.PORT), () => console.log('ready'))`)
  await program.until(() => program.lines('stdout')[0], { within: seconds(10) })
  await watchRequests(program, program)
  using answered = follow(program, '/')
  expect(await answered.closes()).toBe(true)
  expect(await answered.statusWithin(seconds(5))).toBe(200)
  const waiting = follow(program, '/never')
  expect(await waiting.arrives()).toBe(true)
  expect(waiting.closedAt).toBeUndefined()
  waiting[Symbol.dispose]()
  expect(await waiting.closes()).toBe(true)
})

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { evaluateAt } from './devtools.ts'
import { openKept, type Kept } from './testing/kept.ts'

let kept: Kept
beforeAll(async () => {
  kept = await openKept()
})
afterAll(() => kept[Symbol.asyncDispose]())

test('the inspector of a process tells what an expression is there', async () => {
  await using program = await kept.start(`
    import inspector from 'node:inspector'
    inspector.open(0, '127.0.0.1')
    console.log(inspector.url())
    setInterval(() => {}, 1000)`)
  const url = await program.until(() => program.lines('stdout')[0], { within: 10_000 })
  expect(await evaluateAt(url ?? '', 'process.pid')).toEqual({ ok: true, value: program.pid })
  expect(await evaluateAt(url ?? '', "'x'.repeat(300)")).toEqual({ ok: true, value: 'x'.repeat(300) })
})

test('an address that is none, or of something else, gives the reason', async () => {
  expect(await evaluateAt('not an address', '1')).toEqual({ ok: false, why: 'it is no address' })
  expect(await evaluateAt('http://127.0.0.1:1/', '1')).toMatchObject({ ok: false })
  const server = createServer((_request, response) => response.end('no inspector')).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const found = await evaluateAt(`ws://127.0.0.1:${port}/`, '1')
  server.close()
  expect(found).toMatchObject({ ok: false })
})

import { expect, test } from 'vitest'
import { keepAsking } from './clients.ts'
import { probeNode, withoutCutByNode } from './cut-by-node.ts'
import type { Program } from './program.ts'

const closedAt = (at: number): Program =>
  ({ eventsOf: () => [{ type: 'server-closing', at }] }) as unknown as Program

test('what Node does is found out without leaving a server behind', async () => {
  probeNode()
  await new Promise((resolve) => setTimeout(resolve, 700))
  const left = process.getActiveResourcesInfo().filter((name) => /TCP(Server|Socket)Wrap/.test(name))
  expect(left).toEqual([])
})

test('an answer that came, and a reset at another time, stay among the results', async () => {
  const asking = keepAsking(1, '/', { clients: 1 })
  const [refused] = await asking.stop()
  if (refused === undefined) throw new Error('nothing was asked')
  const results = [refused, { ...refused, ok: false as const, code: 'ECONNRESET', at: 5_000 }]
  expect(withoutCutByNode(closedAt(1_000), results)).toEqual(results)
})

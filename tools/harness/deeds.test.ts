import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openRequest } from './clients.ts'
import { Deeds, followRequests, unfollowRequests } from './deeds.ts'
import { fetchFrom } from './http.ts'
import { until } from './patience.ts'

let server: Server
let port: number
beforeEach(async () => {
  server = createServer((request, response) => {
    if (request.url === '/whole') return response.end('yes')
    if (request.url === '/cut') return void request.socket.destroy()
    if (request.url === '/half') return void response.write('ha')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
})
afterEach(() => {
  server.closeAllConnections()
  server.close()
})

const outcomes = (deeds: Deeds): readonly string[] =>
  deeds.all.map((deed) => (deed.type === 'request' ? `${deed.path} ${deed.outcome}` : deed.type))

test('requests to a port are told with what came of them, whichever client sends them', async () => {
  const deeds = new Deeds()
  const ports = { port, adminPort: 1 }
  followRequests(deeds, ports)
  await fetchFrom(port, '/whole')
  await fetchFrom(port, '/cut')
  const half = openRequest(port, '/half').end()
  const silent = openRequest(port, '/never').end()
  await half.untilHead()
  const inOrder = (...all: readonly RegExp[]): true | undefined => {
    const told = outcomes(deeds)
    return (told.length === all.length && all.every((one, index) => one.test(told[index] ?? ''))) || undefined
  }
  const before = [/^\/whole 200 after \d+ ms$/, /^\/cut no answer \(ECONNRESET\) after/]
  const up = / no answer up to the failure$/
  expect(await until(() => inOrder(...before, up, up), { within: 5_000 }), outcomes(deeds).join()).toBe(true)
  half[Symbol.dispose]()
  silent[Symbol.dispose]()
  const after = [...before, /^\/half 200, but not whole,|^\/half no answer/, /^\/never (given up|no answer)/]
  expect(await until(() => inOrder(...after), { within: 5_000 }), outcomes(deeds).join()).toBe(true)
  unfollowRequests(deeds)
  await fetchFrom(port, '/whole')
  expect(deeds.all).toHaveLength(4)
})

test('a check that asks without end is told of up to a bound', () => {
  const deeds = new Deeds()
  for (let nth = 0; nth < 20_000; nth += 1) deeds.add({ type: 'load', ms: 1 })
  expect(deeds.all).toHaveLength(5_000)
})

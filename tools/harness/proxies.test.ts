import { afterAll, beforeAll, expect, test } from 'vitest'
import { settleProxy } from './settle-proxy.ts'
import { occupy, partAnsweredBy } from './occupied.ts'
import { askRaw, valuesOf } from './raw-request.ts'
import { workersOf } from './users.ts'
import { openKept, type Kept } from './testing/kept.ts'

let kept: Kept
beforeAll(async () => {
  kept = await openKept()
})
afterAll(() => kept[Symbol.asyncDispose]())

/** A primary that forks two workers of this kind, and this that it does when both have told their ports. */
const proxy = (atLast: string, worker = OWN): string => `
  import cluster from 'node:cluster'
  import { createServer, request as ask } from 'node:http'
  const port = Number(process.env.PORT)
  const ports = []
  const serve = createServer((request, response) => {
    const { method, url: path, headers } = request
    const target = ports[headers['x-user'] === 'second' ? 1 : 0]
    request.pipe(ask({ port: target, method, path, headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers)
      answer.pipe(response)
    }))
  })
  if (cluster.isPrimary) {
    for (const id of [1, 2]) cluster.fork().on('message', (own) => {
      ports[id - 1] = own
      if (ports[0] && ports[1]) { ${atLast} }
    })
  } else { ${worker} }`

const OWN = `
  const server = createServer((request, response) => {
    if (request.url === '/echo') return request.pipe(response)
    response.end(JSON.stringify({ pid: process.pid }))
  }).listen({ port: 0, host: '127.0.0.1', exclusive: true }, () => process.send(server.address().port))`

const OPENS = 'serve.listen(port)'

test('a proxy is ready when its workers listen and its primary serves PORT', async () => {
  await using program = await kept.start(proxy(OPENS))
  await settleProxy(program, 2)
  expect(program.listening).toHaveLength(2)
  expect((await program.get('/')).servedBy?.role).toBe('worker')
})

test.each([
  ['workers that share PORT', proxy('', 'createServer(() => {}).listen(port)'), 'workers listen on PORT'],
  ['a primary that never opens PORT', proxy(''), '2 of them listened, and the primary does not serve PORT'],
  [
    'a primary alone',
    proxy(OPENS).replace('cluster.fork()', '({ on() { if (id === 1) serve.listen(port) } })'),
    '0 workers',
  ],
])('%s is no proxy that is ready', async (_what, source, got) => {
  await using program = await kept.start(source)
  await expect(settleProxy(program, 2)).rejects.toMatchObject({
    finding: { got: expect.stringContaining(got) },
  })
})

test('users are followed to their workers, requests held in flight, and the others counted', async () => {
  await using program = await kept.start(proxy(OPENS))
  await settleProxy(program, 2)
  const workers = await workersOf(program, ['first', 'second'], '')
  expect(new Set(workers.values())).toEqual(new Set(program.listening.map(({ pid }) => pid)))
  {
    await using held = await occupy(program, ['first', 'second'], 2)
    expect(held.requests.map(({ over, text }) => `${text} ${over}`)).toEqual(Array(4).fill('a part false'))
  }
  const rest = { requests: 4, clients: 2, read: '' }
  expect(await partAnsweredBy(program, workers.get('first') ?? 0, rest)).toBe(1)
})

test('a request goes out as it is written, and its answer is read line by line', async () => {
  await using program = await kept.start(`
    import { createServer } from 'node:http'
    createServer(({ rawHeaders }, response) => {
      response.writeHead(201, ['Set-Cookie', 'a', 'set-cookie', 'b']).end(rawHeaders.join())
    }).listen(Number(process.env.PORT))`)
  await program.until(() => program.eventsOf('server-listening')[0], { within: 10_000 })
  const lines = ['GET / HTTP/1.1', 'hOst: there', 'X-One: 1', 'x-one: 2', 'Connection: close']
  const { status, fields, body } = await askRaw(program, lines, { read: '' })
  expect(status).toBe(201)
  expect(valuesOf(fields, 'set-cookie')).toEqual(['a', 'b'])
  expect(body).toContain('hOst,there,X-One,1,x-one,2,Connection,close')
})

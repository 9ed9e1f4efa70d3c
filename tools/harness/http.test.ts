import { createServer, type IncomingMessage, type Server as HttpServer, type ServerResponse } from 'node:http'
import net, { type AddressInfo, type Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import { describeAnswer, fetchFrom, jsonOf, keptConnection, type Answer } from './http.ts'
import { seconds, until } from './patience.ts'

interface Listening extends AsyncDisposable {
  readonly port: number
  /** All connections that came. */
  readonly sockets: readonly Socket[]
}

async function listening(server: net.Server): Promise<Listening> {
  const sockets: Socket[] = []
  server.on('connection', (socket: Socket) => {
    sockets.push(socket.on('error', () => {}))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    sockets,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function http(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<Listening> {
  return listening(createServer(answer) satisfies HttpServer)
}

/** Answers these bytes to whatever comes, and closes. */
function raw(bytes: string): Promise<Listening> {
  return listening(net.createServer((socket) => socket.once('data', () => socket.end(bytes))))
}

describe('an answer', () => {
  test('has its status, its headers and its text', async () => {
    await using server = await http((_request, response) =>
      response.writeHead(418, { 'x-pot': 'short and stout' }).end('tea'),
    )
    expect(await fetchFrom(server.port, '/')).toMatchObject({
      ok: true,
      status: 418,
      text: 'tea',
      headers: { 'x-pot': 'short and stout' },
      servedBy: undefined,
    })
  })

  test('is decoded as one, also where a character arrives in two pieces', async () => {
    const [first, second] = [Buffer.from('漢').subarray(0, 1), Buffer.from('漢').subarray(1)]
    await using server = await http((_request, response) => {
      response.write(first, () => setImmediate(() => response.end(second)))
    })
    expect(await fetchFrom(server.port, '/')).toMatchObject({ text: '漢' })
  })

  test('tells who gave it, the worker before the primary that passed it on', async () => {
    await using server = await http((_request, response) =>
      response
        .setHeader('x-every-core-primary', 'run/p1 0 10')
        .setHeader('x-every-core-worker', 'run/p1 3 13')
        .end(),
    )
    expect(await fetchFrom(server.port, '/')).toMatchObject({
      servedBy: { role: 'worker', worker: 3, pid: 13, run: 'run/p1' },
    })
  })

  test('comes to a request with its method, its headers and its body', async () => {
    await using server = await http((request, response) => {
      request.setEncoding('utf8').once('data', (body: string) => {
        response.end([request.method, request.url, request.headers['x-user'], body].join(' '))
      })
    })
    const options = { method: 'PUT', headers: { 'x-user': 'ada' }, body: 'hello' }
    expect(await fetchFrom(server.port, '//%', options)).toMatchObject({ text: 'PUT //% ada hello' })
  })
})

describe('no answer', () => {
  test('is ECONNREFUSED where nothing listens', async () => {
    let port = 0
    {
      await using server = await http(() => {})
      port = server.port
    }
    expect(await fetchFrom(port, '/')).toMatchObject({ ok: false, code: 'ECONNREFUSED' })
  })

  test('is ECONNRESET where the connection is cut before the head', async () => {
    await using server = await http((request) => request.socket.destroy())
    expect(await fetchFrom(server.port, '/')).toMatchObject({ ok: false, code: 'ECONNRESET' })
  })

  test('is ECONNRESET where the connection is cut in the middle of the body', async () => {
    await using server = await raw('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf')
    expect(await fetchFrom(server.port, '/')).toMatchObject({ ok: false, code: 'ECONNRESET' })
  })

  test('is the parser’s own code where the answer is no HTTP', async () => {
    await using server = await raw('hello\r\n\r\n')
    const answer = await fetchFrom(server.port, '/')
    expect(answer).toMatchObject({ ok: false, code: expect.stringMatching(/^HPE_/) })
  })

  test.each([
    ['no head comes', () => {}],
    ['the body never ends', (_: IncomingMessage, response: ServerResponse) => void response.write('and')],
  ])('is a time-out where %s, and the connection is closed', async (_what, answer) => {
    await using server = await http(answer)
    expect(await fetchFrom(server.port, '/', { within: 100 })).toMatchObject({ ok: false, code: 'timeout' })
    const closed = await until(() => server.sockets[0]?.destroyed || undefined, { within: seconds(5) })
    expect(closed).toBe(true)
  })
})

test('an answer without end is cut, and is no answer', async () => {
  await using server = await http((_request, response) => {
    const more = (): void => {
      while (!response.destroyed && response.write('x'.repeat(1024 ** 2)));
    }
    response.on('drain', more)
    more()
  })
  expect(await fetchFrom(server.port, '/')).toMatchObject({ ok: false, code: 'endless', head: 200 })
})

describe('connections', () => {
  test('are new for every request', async () => {
    await using server = await http((_request, response) => response.end())
    for (let sent = 0; sent < 3; sent += 1) await fetchFrom(server.port, '/')
    expect(server.sockets).toHaveLength(3)
  })

  test('are one for all requests that are given a kept one', async () => {
    await using server = await http((_request, response) => response.end())
    using kept = keptConnection()
    const requests = [1, 2, 3].map(() => fetchFrom(server.port, '/', { agent: kept.agent }))
    expect(await Promise.all(requests)).toMatchObject([{ ok: true }, { ok: true }, { ok: true }])
    expect(server.sockets).toHaveLength(1)
  })
})

const answered = (text: string): Answer => ({
  ok: true,
  status: 200,
  headers: {},
  rawHeaders: [],
  text,
  servedBy: undefined,
  ms: 1,
})

test.each(['', 'null', '[1]', '"text"', '{', '12'])('%j holds no JSON object', (text) => {
  expect(jsonOf(answered(text))).toBeUndefined()
})

test('a JSON object is read', () => {
  expect(jsonOf(answered('{"pid":1}'))).toEqual({ pid: 1 })
})

test.each([
  [answered('  one\n two '), '200 one two'],
  [answered(''), '200'],
  [answered('x'.repeat(200)), `200 ${'x'.repeat(160)}…`],
  [{ ok: false, code: 'timeout', ms: 1 } as const, 'no answer in time'],
  [{ ok: false, code: 'timeout', ms: 1, head: 200 } as const, 'an answer that began and did not end in time'],
  [{ ok: false, code: 'HPE_INVALID', ms: 1 } as const, 'an answer that is no HTTP (HPE_INVALID)'],
  [
    { ok: false, code: 'HPE_HEADER_OVERFLOW', ms: 1 } as const,
    'a head of more than 16 KiB (HPE_HEADER_OVERFLOW)',
  ],
  [
    { ok: false, code: 'HPE_CLOSED_CONNECTION', ms: 1 } as const,
    'an answer longer than its content-length (HPE_CLOSED_CONNECTION)',
  ],
  [{ ok: false, code: 'EPIPE', ms: 1 } as const, 'no answer (EPIPE)'],
  [
    { ok: false, code: 'ECONNREFUSED', ms: 1 } as const,
    'no connection (ECONNREFUSED: nothing listens there)',
  ],
  [
    { ok: false, code: 'ECONNRESET', ms: 1 } as const,
    'a connection cut before the answer was whole (ECONNRESET)',
  ],
])('%o is described in a few words', (answer, words) => {
  expect(describeAnswer(answer)).toBe(words)
})

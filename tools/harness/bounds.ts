/** What one client may take of a program: room for its body, and time for its headers. */

import { holds } from './check.ts'
import { openRaw, openRequest } from './clients.ts'
import { inOrder } from './in-order.ts'
import { patientNow, pause, seconds } from './patience.ts'
import { Inconclusive } from './problems.ts'
import type { Program } from './program.ts'

/** What a POST may bring along: the path answers it with its own bytes, or 413. */
export interface Room {
  readonly path: string
  readonly bytes: number
  /** The heading's anchor in the lesson's README. */
  readonly read: string
}

/** A body of exactly as many bytes as there is room for is answered whole, announced and in chunks. */
export async function echoesWhole(program: Program, { path, bytes: room, read }: Room): Promise<void> {
  const signs = '漢'.repeat(room / 3)
  const body = signs.padEnd(signs.length + (room % 3), '.')
  const advice = { read, repeat: program.commandWith(path, 'POST') }
  const announced = await program.get(path, {
    ...advice,
    method: 'POST',
    body,
    expected: `POST ${path} with ${told(room)}, announced, answers 200`,
  })
  using chunked = openRequest(program.port, path, { method: 'POST' })
  const bytes = Buffer.from(body)
  for (let from = 0; from < bytes.length; from += 10_000) chunked.write(bytes.subarray(from, from + 10_000))
  await chunked.end().untilOver()
  for (const [how, got] of Object.entries({ announced: announced.text, 'in chunks': chunked.text })) {
    holds(got === body, {
      ...advice,
      expected: `POST ${path} answers its body, byte for byte: here ${told(room)}, ${how}`,
      got: `${Buffer.byteLength(got)} bytes${got.includes('\uFFFD') ? ', with broken characters' : ''}`,
      likely:
        'pieces are joined as strings, which breaks characters, or a body that just fits counts as too large',
    })
  }
}

/** Uploads that come at the same time, piece by piece, are answered each with its own bytes. */
export async function echoesApart(program: Program, { path, bytes: room, read }: Room): Promise<void> {
  const bodies = ['a', 'b', 'c', 'd', 'e', 'f'].map((letter) => letter.repeat(room / 4))
  const uploads = bodies.map((body) => {
    const upload = openRequest(program.port, path, { method: 'POST' })
    upload.write(body)
    return { upload, body }
  })
  await pause(100)
  for (const { upload, body } of uploads.toReversed()) {
    await upload.end(body).untilOver()
    holds(upload.text === body + body, {
      expected: `${uploads.length} bodies that come at once to POST ${path} are answered each with its own bytes`,
      got: upload.over ? 'one got bytes of another' : (upload.failure ?? 'no whole answer'),
      likely: 'bodies are collected in a buffer that belongs to the worker, and not to the request',
      read,
      repeat: program.commandWith(path, 'POST'),
    })
  }
}

/** An upload that has passed the limit and goes on is answered 413, or reset, announced and in chunks. */
export async function cutsUploadsShort(program: Program, room: Room): Promise<void> {
  await inOrder([
    isCutShort(program, room, 'announced', { 'content-length': String(16 * room.bytes) }),
    isCutShort(program, room, 'in chunks', {}),
  ])
}

async function isCutShort(
  program: Program,
  { path, bytes, read }: Room,
  how: string,
  headers: Readonly<Record<string, string>>,
): Promise<void> {
  using upload = openRequest(program.port, path, { method: 'POST', headers })
  upload.write('x'.repeat(bytes / 2))
  await pause(50)
  upload.write('x'.repeat(bytes / 2 + 4096))
  // One that answers while it reads has begun with 200, and can only reset the connection.
  const look = (): true | undefined =>
    upload.head?.status === 413 || upload.failure !== undefined || undefined
  const isOver = await program.until(look, { within: seconds(3) })
  holds(isOver === true, {
    expected: `an upload, ${how}, that has passed ${told(bytes)} is answered 413 before it ends, or reset`,
    got: upload.head === undefined ? 'no answer within 3 s' : `status ${upload.head.status}`,
    likely: 'the body is read to its end, and only then measured',
    read,
    repeat: `${program.command} & sleep 2; yes | curl -si -T- -X POST -m 5 localhost:8000${path}; kill %1`,
  })
}

/** What is no HTTP, or only nearly, is refused, and a client that goes away in the middle of an upload ends nothing. */
export async function survivesNonsense(program: Program, { path }: Room): Promise<void> {
  for (const nonsense of NONSENSE) {
    using client = await openRaw(program.port)
    client.send(nonsense)
    await program.until(() => client.closed || client.received !== '' || undefined, { within: seconds(5) })
    holds(/^(HTTP\/1\.1 [45]|$)/.test(client.received), {
      expected: `a malformed request, ${JSON.stringify(nonsense.slice(0, 24))}…, is answered 400 or cut`,
      got: client.received.split('\r\n')[0] ?? '',
      read: 'the-contract',
      repeat: program.command,
    })
  }
  const upload = openRequest(program.port, path, { method: 'POST' })
  upload.write('half of it')
  await pause(50)
  upload[Symbol.dispose]()
  await program.get('/', { read: 'the-contract' })
}

const NONSENSE = [
  '\u0016\u0003\u0001\u0000',
  'GET\r\n\r\n',
  'GET / HTTP/9.9\r\nHost: x\r\n\r\n',
  'POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n',
  'POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n',
]

/** What a client sends first, and again every half second. */
const slow = {
  'sends nothing': { first: '', more: '' },
  'stops in the middle of its headers': { first: 'GET / HTTP/1.1\r\nHost: x\r\nX-Half: ', more: '' },
  'sends a header every half second, and no end': {
    first: 'GET / HTTP/1.1\r\nHost: x\r\n',
    more: 'x-more: 1\r\n',
  },
}

/** Clients that have not sent their headers are cut 4 to 8 s after they connected; those that take 2 s are served. */
export async function boundsSlowClients(program: Program, read: string): Promise<void> {
  const cuts = Object.entries(slow).map(([what, how]) => isCut(program, what, how, read))
  await inOrder([...cuts, servesTheSlow(program, read)])
}

async function isCut(
  program: Program,
  what: string,
  { first, more }: { readonly first: string; readonly more: string },
  read: string,
): Promise<void> {
  using client = await openRaw(program.port)
  // Too late is judged on the patient clock, too early on the real one: a stall is no reason to blame a program.
  const connectedAt = performance.now()
  let sent = patientNow()
  if (first !== '') client.send(first)
  const look = (): true | undefined => {
    if (more !== '' && !client.closed && patientNow() - sent >= 500) {
      sent = patientNow()
      client.send(more)
    }
    return client.closed || undefined
  }
  const cut = await program.until(look, { within: seconds(8) })
  const after = performance.now() - connectedAt
  holds(cut === true && after >= seconds(3.9), {
    expected: `a client that ${what} is cut 4 to 8 s after it has connected`,
    got:
      cut === true ? `it was cut after ${(after / 1000).toFixed(1)} s` : 'after 8 s it was still connected',
    likely:
      cut === true
        ? 'so short a time cuts clients that are merely slow'
        : 'headersTimeout is 60 s unless set, and looked at only every connectionsCheckingInterval, which is 30 s unless set',
    read,
    repeat: `${program.command} & sleep 2; time (sleep 20 | nc localhost 8000); kill %1`,
  })
}

/** Headers that take 2 s are slow, and in time. */
async function servesTheSlow(program: Program, read: string): Promise<void> {
  for (let tries = 1; tries <= 3; tries += 1) if (await servesSlowOne(program, read)) return
  throw new Inconclusive('This machine stalled each time that a client took 2 s for its headers.')
}

/** @returns false when a stall of this machine made it slower than it was meant to be */
async function servesSlowOne(program: Program, read: string): Promise<boolean> {
  using client = await openRaw(program.port)
  const connectedAt = performance.now()
  client.send('GET / HTTP/1.1\r\nHost: x\r\n')
  await pause(2_000)
  client.send('Connection: close\r\n\r\n')
  if (performance.now() - connectedAt > seconds(3)) return false
  await program.until(() => client.received !== '' || client.closed || undefined, { within: seconds(3) })
  holds(client.received.startsWith('HTTP/1.1 200'), {
    expected: 'a client whose headers take 2 s is answered',
    got: client.received.split('\r\n')[0] || 'no answer',
    read,
    repeat: program.command,
  })
  return true
}

function told(bytes: number): string {
  return `${bytes.toLocaleString('en-GB')} bytes`
}

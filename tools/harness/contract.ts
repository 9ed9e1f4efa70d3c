/** The claims that every lesson's contract shares. */

import { connect } from 'node:net'
import { expectOneRenderEach } from './at-once.ts'
import { openRaw } from './clients.ts'
import { giveNextForks } from './faults.ts'
import { expect } from './matchers.ts'
import { describeAnswer, fetchFrom, keptConnection, type Answer, type NoAnswer } from './http.ts'
import { pause, seconds } from './patience.ts'
import { Inconclusive, Mismatch } from './problems.ts'
import type { Program } from './program.ts'
import { startReference } from './reference.ts'

const VISITORS = [
  'ada',
  ' Grace  Hopper\t',
  'a/b?c=d&e=%41+f',
  '<b>&"\'',
  // The second is composed of a letter and its dots, which is not the same string.
  'Zoë Zoe\u0308 漢字 🧮',
  ''.padEnd(200, 'long '),
]

/** Without PORT in its environment it listens on port 8000. Given a program that was started with `withoutPort: 8000`. */
export async function asksForTheDefaultPort(program: Program, read: string): Promise<void> {
  const asked = (): number | undefined =>
    [
      ...program.eventsOf('listen-held'),
      ...program.eventsOf('server-listening'),
      ...program.eventsOf('server-error'),
    ].find(({ port }) => port === DEFAULT_PORT)?.port ?? undefined
  const found = await program.until(() => asked() ?? program.eventsOf('server-listening')[0]?.port, {
    within: seconds(10),
  })
  // It may open a port of its own before.
  const wanted = found === DEFAULT_PORT ? found : await program.until(asked, { within: seconds(5) })
  if (wanted !== undefined) return
  throw new Mismatch({
    expected: `without PORT in its environment, the program listens on port ${DEFAULT_PORT}`,
    got: found === undefined ? 'nothing in it listens' : `it listens on port ${found}`,
    likely: 'PORT is read, but its default is another',
    read,
    repeat: program.command,
  })
}

const DEFAULT_PORT = 8000

/**
 * `ready: N workers on port P` on standard output, once, as lesson 3 asks for it and every later one repeats. Given a
 * program that listens; whoever wants to see that it is not printed again kills a worker before.
 */
export async function tellsReadyOnce(program: Program, workers: number, read: string): Promise<void> {
  const due = `ready: ${workers} workers on port ${program.port}`
  await program.until(() => readyLines(program)[0], { within: seconds(2) })
  const lines = readyLines(program)
  if (lines.length === 1 && lines[0] === due) return
  throw new Mismatch({
    expected: `“${due}” on standard output, once, when all listen for the first time`,
    got:
      lines.length === 0
        ? 'no such line'
        : `${lines.length === 1 ? '' : `${lines.length} lines: `}“${lines.slice(0, 3).join('” “')}”`,
    likely:
      lines.length > 1
        ? 'it is printed again when a replacement listens: whether it has been said has to be kept'
        : 'the line has another wording, another number, or goes to standard error',
    read,
    repeat: program.command,
  })
}

/** The lines on standard output that say `ready: …`, with whatever numbers. */
export function readyLines(program: Program): readonly string[] {
  return program.lines('stdout').filter((line) => READY_LINE.test(line))
}

/** The whole line: one that only begins so is another. */
export const READY_LINE = /^ready: \d+ workers? on port \d+$/

/**
 * Every page equals what `renderHandbook(visitor)` gives, byte for byte; the same visitor twice too. Those who ask at
 * once get a page each.
 */
export async function servesPages(program: Program, read: string): Promise<void> {
  await using one = await startReference(0)
  const visitors = [...VISITORS, VISITORS[0] ?? '']
  const pages = await Promise.all(visitors.map((visitor) => pageOf(program, visitor)))
  const wanted = await Promise.all(visitors.map((visitor) => fetchFrom(one.port, pathOf(visitor))))
  visitors.forEach((visitor, index) => comparePages(program, visitor, pages[index], wanted[index], read))
  await expectOneRenderEach(program, one, read)
}

function pathOf(visitor: string): string {
  return `/render?visitor=${encodeURIComponent(visitor)}`
}

function pageOf(program: Program, visitor: string): Promise<Answer> {
  return program.get(pathOf(visitor), { read: 'the-contract' })
}

function comparePages(
  program: Program,
  visitor: string,
  page: Answer | undefined,
  wanted: Answer | NoAnswer | undefined,
  read: string,
): void {
  if (page === undefined || wanted === undefined || !wanted.ok)
    throw new Inconclusive(
      'The program that yours is compared with did not answer: close what else is running and check again.',
    )
  const repeat = program.commandWith(pathOf(visitor))
  const type = page.headers['content-type'] ?? 'none'
  if (!/^text\/html; ?charset="?utf-8"?$/i.test(type)) {
    throw new Mismatch({
      expected: '/render answers with content-type text/html; charset=utf-8',
      got: `content-type ${type}`,
      likely: 'without a charset a browser may read the bytes as another encoding',
      read,
      repeat,
    })
  }
  if (page.text === wanted.text) return
  throw new Mismatch({
    expected: `/render answers renderHandbook(${JSON.stringify(visitor)}), byte for byte`,
    got: `${page.text.length} characters where ${wanted.text.length} were due; ${firstDifference(page.text, wanted.text)}`,
    likely: page.text.includes('�')
      ? 'the answer is cut or encoded on its way: write it in one piece, as UTF-8'
      : 'the visitor is not decoded from the query, or the page is kept from an earlier request',
    read,
    repeat,
  })
}

function firstDifference(got: string, wanted: string): string {
  let index = 0
  while (index < got.length && got[index] === wanted[index]) index += 1
  const excerpt = (text: string): string => JSON.stringify(text.slice(index, index + 24))
  return `the first difference is at ${index}: ${excerpt(got)} instead of ${excerpt(wanted)}`
}

/** What every object has, though nobody has put it there. */
const INHERITED = ['/constructor', '/toString', '/__proto__']

function likelyUnknown(path: string): string {
  if (path.startsWith('//')) {
    return "new URL('//', base) throws, and an exception in a request listener ends the process"
  }
  return INHERITED.includes(path)
    ? `an object has a ${path.slice(1)} that it inherits: look routes up in a Map, or ask Object.hasOwn`
    : 'every path that is not a route is unknown, also one that only looks like a route'
}

/** Requests that any client may send. How they are answered is left free. */
const ODD = [
  'GET / HTTP/1.1\r\nHost: a b\r\n',
  'GET / HTTP/1.1\r\nHost: \r\n',
  'GET / HTTP/1.0\r\n',
  'GET http://[/ HTTP/1.1\r\nHost: x\r\n',
  'OPTIONS * HTTP/1.1\r\nHost: x\r\n',
  'GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade, close\r\n',
]

async function sendOdd(program: Program, request: string): Promise<void> {
  using client = await openRaw(program.port)
  client.send(`${request}${/^connection/im.test(request) ? '' : 'Connection: close\r\n'}\r\n`)
  await program.until(() => client.closed || client.received !== '' || undefined, { within: seconds(2) })
}

/**
 * Unknown paths answer 404, other methods on a known GET route 405, and the same processes go on serving.
 *
 * @param uploads requests that carry a body, as `PUT /banner`
 */
export async function refusesOddRequests(
  program: Program,
  known: readonly string[],
  read: string,
  uploads: readonly string[] = [],
): Promise<void> {
  const before = populationOf(program)
  const longer = known.filter((path) => path !== '/').map((path) => `${path}er`)
  for (const path of ['/nowhere', '//', '///', '/%', '/nowhere?visitor=%', ...INHERITED, ...longer]) {
    await program.get(path, { status: 404, read, likely: likelyUnknown(path) })
  }
  for (const path of known) {
    for (const method of ['POST', 'PUT', 'DELETE']) {
      await program.get(path, {
        method,
        status: 405,
        read,
        likely: 'the route is looked up by its path alone, without the method',
        ...(method === 'DELETE' ? {} : { body: 'x=1', headers: { 'content-type': 'text/plain' } }),
      })
    }
  }
  await survives(
    program,
    before,
    "a path or a body that was not expected: new URL('//', base) throws",
    '//',
    read,
  )
  await Promise.all(ODD.map((request) => sendOdd(program, request)))
  await survives(
    program,
    before,
    'a Host or a target that makes no URL: new URL(request.url, `http://${host}`) throws',
    '/',
    read,
  )
  // A visitor that is not named, or badly encoded, may be answered as the program likes.
  for (const path of [
    '/render',
    '/render?visitor',
    '/render?visitor=%',
    '/render?visitor=%E0%A4&visitor=x',
  ]) {
    const answer = await program.fetch(path)
    await survives(
      program,
      before,
      'a visitor that is missing is null or undefined, and decodeURIComponent throws on a lone %',
      path,
      read,
    )
    if (path.includes('%') || (answer.ok && [200, 400].includes(answer.status))) continue
    throw new Mismatch({
      expected: `GET ${path} answers any page, or 400`,
      got: describeAnswer(answer),
      likely: 'a visitor that is missing is null or undefined',
      read: 'the-contract',
      repeat: program.commandWith(path),
    })
  }
  await Promise.all(
    [...known.map((path) => `POST ${path}`), ...uploads].map((line) => sendHalf(program, line)),
  )
  await survives(
    program,
    before,
    "a client that hangs up in the middle of its body: an 'error' event of the request, or a promise that is rejected, which nobody handles",
    '/',
    read,
  )
  // Not on a path whose work would go on into the next check.
  for (const path of ['/', '/render']) goesAway(program, path)
  await program.get('/', { read })
  await survives(
    program,
    before,
    "a client that hangs up: an 'error' event to which nobody listens",
    '/',
    read,
  )
}

/** Cuts the connection when half of the body is there. */
async function sendHalf(program: Program, line: string): Promise<void> {
  using client = await openRaw(program.port)
  client.send(
    `${line} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 40\r\n\r\n{"workers": 2, "half`,
  )
  await pause(100)
}

/** Asks, and cuts the connection at once. */
function goesAway(program: Program, path: string): void {
  const socket = connect(program.port, '127.0.0.1', () => {
    socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`, () => socket.resetAndDestroy())
  })
  socket.on('error', () => {})
}

/** No process has gone, and none has come. */
async function survives(
  program: Program,
  before: Population,
  cause: string,
  path: string,
  read: string,
): Promise<void> {
  await program.rollCall()
  const now = populationOf(program)
  if (now.gone === before.gone && now.forked === before.forked) return
  // Its last words may come after the news of its end.
  await program.until(() => /Error/.test(program.lastWords()) || undefined, {
    within: seconds(0.5),
    alive: false,
  })
  throw new Mismatch({
    expected: 'no request ends a process',
    got: `one ended: ${program.lastWords()}`,
    likely: `an exception in a request listener ends the process. Here it may be ${cause}`,
    read,
    repeat: program.commandWith(path),
  })
}

interface Population {
  readonly forked: number
  readonly gone: number
}

function populationOf(program: Program): Population {
  const ours = [program.pid, ...program.workers.map((worker) => worker.pid)]
  return {
    forked: program.workers.length,
    gone: program.eventsOf('gone').filter(({ pid }) => ours.includes(pid)).length,
  }
}

/**
 * SIGTERM ends a program of which a worker has died, within 10 s, and leaves no process. Given one that may be harmed.
 *
 * @param rest ms between the death and the signal in which nothing happens any more; none, and whatever the program
 *   makes of the death may still be on its way
 */
export async function endsAfterADeath(
  program: Program,
  { rest = 0, ...advice }: { readonly rest?: number; readonly likely: string; readonly read: string },
): Promise<void> {
  await program.untilGone(await program.killOneWorker())
  if (rest > 0) await program.quiet(rest)
  await program.signal('SIGTERM')
  await expect(program).toEnd({ within: seconds(10), ...advice })
  await expect(program).toLeaveNoProcess({ within: seconds(5), ...advice })
}

/**
 * SIGTERM comes while the replacement of a worker has not called `listen` yet, which it does 0.3 s later: the program
 * ends, and leaves no process. Given one that may be harmed.
 *
 * @param within ms
 */
export async function endsWhileOneStarts(
  program: Program,
  { within, ...advice }: { readonly within: number; readonly likely: string; readonly read: string },
): Promise<void> {
  await giveNextForks(program, { holdListen: true })
  await program.killOneWorker()
  await program.heldWorker()
  await program.signal('SIGTERM')
  await pause(300)
  if (program.ended === undefined) await program.releaseListen()
  await expect(program).toEnd({ within, ...advice })
  await expect(program).toLeaveNoProcess({ within: seconds(5), ...advice })
}

/**
 * SIGTERM to the first process ends the program, and every process of it, within 10 s: also while clients hold their
 * connections open, one that was answered and one that never asked, as browsers open them ahead.
 */
export async function endsOnSigterm(program: Program, read: string): Promise<void> {
  using kept = keptConnection()
  await program.fetch('/', kept)
  using _silent = await openSilent(program.port)
  await program.signal('SIGTERM')
  await expect(program).toEnd({
    within: seconds(10),
    read,
    likely:
      'a SIGTERM listener replaces the default, which is to end: it has to end the program itself, and server.close() waits for clients that hold their connections open',
  })
  await expect(program).toLeaveNoProcess({
    within: seconds(10),
    read,
    likely:
      'a worker ignores that its primary has gone, or waits for clients that hold their connections open; or a child process is detached',
  })
}

/** A connection on which nothing is ever asked. */
async function openSilent(port: number): Promise<Disposable> {
  const socket = connect(port, '127.0.0.1').on('error', () => {})
  await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve))
  return { [Symbol.dispose]: () => void socket.destroy() }
}

/** No process of it has ended since its start, whatever it met. */
export async function expectNoDeath(program: Program, read: string, likely: string): Promise<void> {
  await program.mustBeAlive()
  const gone = program.workers.filter((worker) => worker.state === 'gone').length
  if (gone === 0) return
  throw new Mismatch({
    expected: 'no request, and no trouble of what it depends on, ends a process',
    got: `${gone} ${gone === 1 ? 'worker' : 'workers'} died`,
    likely,
    read,
    repeat: program.command,
  })
}

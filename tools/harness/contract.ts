/** The claims that every lesson's contract shares. */

import { expect } from './matchers.ts'
import { fetchFrom, type Answer, type NoAnswer } from './http.ts'
import { seconds } from './patience.ts'
import { Mismatch } from './problems.ts'
import type { Program } from './program.ts'
import { startReference } from './reference.ts'

const VISITORS = ['ada', 'Grace Hopper', 'a/b?c=d&e=%41+f', '<b>&"\'', 'Zoë 漢字 🧮', ''.padEnd(200, 'long ')]

/** Every page equals what `renderHandbook(visitor)` gives, byte for byte; the same visitor twice too. */
export async function servesPages(program: Program, read: string): Promise<void> {
  await using one = await startReference(0)
  const visitors = [...VISITORS, VISITORS[0] ?? '']
  const pages = await Promise.all(visitors.map((visitor) => pageOf(program, visitor)))
  const wanted = await Promise.all(visitors.map((visitor) => fetchFrom(one.port, pathOf(visitor))))
  visitors.forEach((visitor, index) => comparePages(program, visitor, pages[index], wanted[index], read))
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
    throw new Error('the reference did not answer')
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

/** Unknown paths answer 404, other methods on a known GET route 405, and the same processes go on serving. */
export async function refusesOddRequests(
  program: Program,
  known: readonly string[],
  read: string,
): Promise<void> {
  const before = program.workers.length
  const longer = known.filter((path) => path !== '/').map((path) => `${path}er`)
  for (const path of ['/nowhere', '//', '///', '/%', '/nowhere?visitor=%', ...longer]) {
    await program.get(path, {
      status: 404,
      read,
      likely: path.startsWith('//')
        ? "new URL('//', base) throws, and an exception in a request listener ends the process"
        : 'every path that is not a route is unknown, also one that only looks like a route',
    })
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
  await program.get('/', { read })
  await program.mustBeAlive()
  const gone = program.workers.filter((worker) => worker.state === 'gone')
  if (gone.length === 0 && program.workers.length === before) return
  throw new Mismatch({
    expected: 'no process ends because of an odd request',
    got: `${gone.length} ${gone.length === 1 ? 'worker' : 'workers'} died`,
    likely: 'an exception in a request listener ends the process: catch what parsing throws',
    read,
    repeat: program.commandWith('//'),
  })
}

/** SIGTERM to the first process ends the program, and every process of it, within 10 s. */
export async function endsOnSigterm(program: Program, read: string): Promise<void> {
  await program.signal('SIGTERM')
  await expect(program).toEnd({
    within: seconds(10),
    read,
    likely: 'a SIGTERM listener replaces the default, which is to end: it has to end the program itself',
  })
  await expect(program).toLeaveNoProcess({
    within: seconds(10),
    read,
    likely: 'a worker ignores that its primary has gone, or a child process is detached',
  })
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

import { afterAll, beforeAll, expect, test } from 'vitest'
import { Mismatch, type Finding } from './problems.ts'
import type { Program } from './program.ts'
import { settle } from './settle.ts'
import { openKept, type Kept } from './testing/kept.ts'

let kept: Kept
beforeAll(async () => {
  kept = await openKept()
})
afterAll(() => kept[Symbol.asyncDispose]())

const IMPORTS = `
  import cluster from 'node:cluster'
  import { createServer } from 'node:http'
  const port = Number(process.env.PORT)
  const serve = (port) => createServer((_request, response) => response.end()).listen(port);\n`

/** What `settle` says of this program; undefined when it is ready. */
async function findingOf(source: string, workers: number): Promise<Finding | undefined> {
  await using program = await kept.start(IMPORTS + source)
  // Awaited here: the program ends with this function.
  return await findingAbout(program, workers)
}

async function findingAbout(program: Program, workers: number): Promise<Finding | undefined> {
  try {
    await settle(program, workers)
    return undefined
  } catch (error) {
    if (error instanceof Mismatch) return error.finding
    throw error
  }
}

test('one process is ready when it listens on PORT', async () => {
  expect(await findingOf('setTimeout(() => serve(port), 50)', 0)).toBeUndefined()
})

test('a cluster is ready when all its workers listen', async () => {
  await using program = await kept.start(`${IMPORTS}
    if (cluster.isPrimary) for (let id = 1; id <= 3; id += 1) cluster.fork()
    else setTimeout(() => serve(port), 100 * cluster.worker.id)`)
  expect(await findingAbout(program, 3)).toBeUndefined()
  expect(program.listening.map(({ ports }) => ports)).toEqual([
    [program.port],
    [program.port],
    [program.port],
  ])
})

test('more workers than expected are for the check to judge', async () => {
  const source = 'if (cluster.isPrimary) for (let id = 1; id <= 3; id += 1) cluster.fork(); else serve(port)'
  expect(await findingOf(source, 2)).toBeUndefined()
})

test('a primary that first looks whether the port is free is given time to fork', async () => {
  const source = `
    if (cluster.isWorker) serve(port)
    else {
      const probe = serve(port)
      probe.once('listening', () => setTimeout(() => probe.close(() => cluster.fork()), 100))
    }`
  expect(await findingOf(source, 1)).toBeUndefined()
})

test.each([
  ['one process', 'serve(port + 1)', 0],
  ['a cluster', 'if (cluster.isPrimary) cluster.fork(); else serve(port + 1)', 1],
  [
    'a worker of a cluster',
    'if (cluster.isPrimary) { cluster.fork(); cluster.fork() } else serve(port + cluster.worker.id - 1)',
    2,
  ],
])('another port than PORT is named, of %s', async (_who, source, workers) => {
  const finding = await findingOf(source, workers)
  expect(finding?.got).toMatch(/^it listens on port \d+; PORT was \d+$/)
  expect(finding?.likely).toContain('process.env.PORT')
  expect(finding?.repeat).toMatch(/^PORT=8000 node /)
})

test('a first process that serves by itself is told that it forked nothing', async () => {
  const finding = await findingOf('serve(port)', 2)
  expect(finding?.got).toBe('no worker was forked: the first process listens and serves by itself')
})

test('fewer workers than expected are counted', async () => {
  const finding = await findingOf('if (cluster.isPrimary) cluster.fork(); else serve(port)', 2)
  expect(finding).toMatchObject({
    expected: '2 workers listen on the port that PORT names, within 10 s',
    got: '1 worker was forked, and 1 listened on PORT',
    likely: 'the number of workers is not the one that the contract names',
  })
})

test('a worker that never listens is told from one that was not forked', async () => {
  const finding = await findingOf(
    `if (cluster.isPrimary) { cluster.fork(); cluster.fork() }
     else if (cluster.worker.id === 1) serve(port)
     else process.disconnect()`,
    2,
  )
  expect(finding?.got).toBe('2 workers were forked, and 1 listened on PORT')
  expect(finding?.likely).toMatch(/^a worker does not reach its listen/)
})

test('a program that ends by itself is told with its last words', async () => {
  expect(await findingOf('', 0)).toMatchObject({
    expected: 'the program keeps running',
    got: 'it ended by itself (exit code 0) without a word',
    likely: 'nothing keeps it alive: it neither listens nor has workers',
  })
  expect(await findingOf('throw new RangeError("too far")', 0)).toMatchObject({
    got: 'it ended by itself (exit code 1): RangeError: too far',
  })
})

test('a file that does not parse is told as that', async () => {
  const finding = await findingOf('const = 1', 0)
  expect(finding?.got).toMatch(/^it ended by itself \(exit code 1\): SyntaxError: /)
  expect(finding?.likely).toMatch(/^the file does not parse/)
})

test('an import that is not there is told as that', async () => {
  const finding = await findingOf('await import("./nowhere.mjs")', 0)
  expect(finding?.likely).toMatch(/^an import names a file/)
})

test('a port that it takes twice is told as that', async () => {
  const finding = await findingOf('serve(port).on("listening", () => serve(port))', 0)
  // It listened for a moment: ready, or ended, by who came first.
  if (finding !== undefined) expect(finding.likely).toMatch(/^it listens twice on the same port/)
})

// Together, since each of them takes the contract's 10 s.
test('a program that does nothing, blocks or starts something else is told what is missing', async () => {
  const findings = await Promise.all([
    findingOf('setInterval(() => {}, 1_000)', 0),
    findingOf('for (;;);', 2),
    findingOf(
      `import { fork } from 'node:child_process'
       if (process.argv[2] === undefined) fork(process.argv[1], ['child'])
       setInterval(() => {}, 1_000)`,
      2,
    ),
  ])
  expect(findings.map((finding) => finding?.got)).toEqual([
    'nothing listens',
    'no worker was forked with cluster.fork(): the event loop of its first process is blocked',
    'no worker was forked with cluster.fork(), though other processes were started',
  ])
})

test('an admin interface of the primary is not taken for the service', async () => {
  const finding = await findingOf(
    'if (cluster.isPrimary) { cluster.fork(); serve(process.env.ADMIN_PORT) } else process.exit()',
    1,
  )
  expect(finding?.got).toBe('1 worker was forked, and 0 listened on PORT')
})

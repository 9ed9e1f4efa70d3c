import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openRaw } from './clients.ts'
import { seconds, until } from './patience.ts'
import { Folders } from './processes/folders.mjs'
import { lives, openKept, type Kept } from './testing/kept.ts'

const WRITES = `
  import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
  console.log(existsSync(process.env.DATA_DIR))
  mkdirSync(process.env.DATA_DIR, { recursive: true })
  writeFileSync(process.env.DATA_DIR + '/data', 'kept')
  console.log(process.env.DATA_DIR)`

let kept: Kept
beforeAll(async () => {
  kept = await openKept()
})
afterAll(() => kept[Symbol.asyncDispose]())

test('a program finds a folder of its own in DATA_DIR, which is not there yet', async () => {
  await using first = await kept.start(WRITES)
  await using second = await kept.start(WRITES)
  for (const program of [first, second]) {
    await program.until(() => program.ended, { within: seconds(10), alive: false })
    await program.until(() => program.eventsOf('closed')[0], { within: seconds(10), alive: false })
    expect(program.lines('stdout')).toEqual(['false', program.identity.dataDir])
    expect(existsSync(program.identity.dataDir)).toBe(true)
  }
  expect(first.identity.dataDir).not.toBe(second.identity.dataDir)
})

test('or the one that it is given', async () => {
  const { path } = await kept.keeper.request<{ path: string }>({
    do: 'folder',
    root: dirname(fileURLToPath(import.meta.url)).replace(/\/tools\/harness$/, ''),
  })
  await using program = await kept.start(WRITES, { dataDir: path })
  await program.until(() => program.eventsOf('closed')[0], { within: seconds(10), alive: false })
  expect(program.lines('stdout')).toEqual(['false', path])
})

test('the folders of a run go with its keeper', async () => {
  const own = await openKept()
  const program = await own.start(WRITES)
  await program.until(() => program.eventsOf('closed')[0], { within: seconds(10), alive: false })
  const { dataDir } = program.identity
  expect(basename(dirname(dirname(dataDir)))).toBe('data')
  expect(existsSync(dataDir)).toBe(true)
  await own[Symbol.asyncDispose]()
  expect(existsSync(dirname(dataDir))).toBe(false)
})

test('where .workshop/ cannot be written to they are temporary files, and go as well', () => {
  const root = mkdtempSync(join(tmpdir(), 'read-only-'))
  try {
    // A file in its place: that is in root's way, too.
    writeFileSync(join(root, '.workshop'), '')
    const folders = new Folders('aRun')
    const [first, second] = [folders.next(root), folders.next(root)]
    expect(new Set([first, second]).size).toBe(2)
    expect(first.startsWith(tmpdir())).toBe(true)
    mkdirSync(first, { recursive: true })
    folders.remove()
    expect(existsSync(dirname(dirname(first)))).toBe(false)
  } finally {
    rmSync(root, { recursive: true })
  }
})

const hasRedis = (): boolean => {
  try {
    execFileSync('redis-server', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

test.runIf(hasRedis())('a Redis server listens on loopback, and goes with its keeper', async () => {
  const own = await openKept()
  const { port } = await own.keeper.request<{ port: number }>({ do: 'port' })
  const { path } = await own.keeper.request<{ path: string }>({ do: 'folder', root: process.cwd() })
  const script = fileURLToPath(new URL('./processes/redis.mjs', import.meta.url))
  const plan = { ...own.plan(script), argv: [process.execPath, script, String(port), path], observed: false }
  const tool = await own.hold('start', { ...plan, input: true })
  const pid = Number(await tool.until(() => tool.lines('stdout')[0], { within: seconds(10) }))
  expect(lives(pid)).toBe(true)
  const answered = await tool.eventually(
    async () => {
      using client = await openRaw(port)
      client.send('PING\r\n')
      await until(() => client.closed || client.received !== '' || undefined, { within: seconds(1) })
      return client.received.startsWith('+PONG') || undefined
    },
    { within: seconds(10) },
  )
  expect(answered).toBe(true)
  expect(tool.lines('stdout')).toEqual([String(pid)])
  await own[Symbol.asyncDispose]()
  expect(await until(() => !lives(pid) || undefined, { within: seconds(5) })).toBe(true)
})

import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { holdLock } from './lock.mjs'
import { readyToRun } from './needed.mjs'

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'every-core-'))
  await mkdir(join(root, 'node_modules'))
})
afterEach(() => rm(root, { recursive: true, force: true }))

const said: string[] = []
const say = (line: string): void => void said.push(line)
const lockAt = (): string => join(root, '.workshop', 'install.lock')

const lockFile = {
  '': { version: '1.0.0' },
  'node_modules/a': { version: '1.0.0', integrity: 'sha512-a' },
  'node_modules/b-darwin': { version: '1.0.0', optional: true },
}

async function project(wanted: object, installed: object | undefined): Promise<void> {
  await writeFile(join(root, 'package-lock.json'), JSON.stringify({ packages: wanted }))
  if (installed === undefined) return
  await writeFile(join(root, 'node_modules/.package-lock.json'), JSON.stringify({ packages: installed }))
}

test('nothing is missing when all but other platforms is installed', async () => {
  await project(lockFile, { 'node_modules/a': lockFile['node_modules/a'] })
  expect(readyToRun(root)).toBe(true)
  expect(readyToRun(root)).toBe(true)
  expect(await readFile(join(root, 'node_modules/.every-core'), 'utf8')).toContain('sha512-a')
})

test.each([
  ['nothing is installed', undefined],
  ['a package is missing', {}],
  ['a package has another version', { 'node_modules/a': { version: '2.0.0', integrity: 'sha512-a' } }],
  ['a package has another content', { 'node_modules/a': { version: '1.0.0', integrity: 'sha512-b' } }],
])('dependencies are missing when %s', async (_, installed) => {
  await project(lockFile, installed)
  expect(readyToRun(root)).toBe(false)
})

test('a lock file that changes later is noticed', async () => {
  await project(lockFile, { 'node_modules/a': lockFile['node_modules/a'] })
  expect(readyToRun(root)).toBe(true)
  await project({ ...lockFile, 'node_modules/c': { version: '1.0.0' } }, undefined)
  expect(readyToRun(root)).toBe(false)
})

test('a second command waits until the first has given the lock back', async () => {
  const first = await holdLock(lockAt(), say)
  const order: string[] = []
  const second = holdLock(lockAt(), say).then((lock) => {
    order.push('second')
    return lock
  })
  await new Promise((resolve) => setTimeout(resolve, 50))
  order.push('first ends')
  first.release()
  ;(await second).release()
  expect(order).toEqual(['first ends', 'second'])
  expect(said.at(-1)).toMatch(/^Another command \(process \d+\) installs the dependencies: waiting for it\.$/)
})

test('a lock whose processes have all died is taken over, by one of several', async () => {
  const dead = await pidOfTheDead()
  await mkdir(lockAt(), { recursive: true })
  await writeFile(join(lockAt(), 'owner'), `0 ${dead} ${dead}`)
  let holders = 0
  let most = 0
  const hold = async (): Promise<void> => {
    const lock = await holdLock(lockAt(), say)
    holders += 1
    most = Math.max(most, holders)
    await new Promise((resolve) => setTimeout(resolve, 20))
    holders -= 1
    lock.release()
  }
  await Promise.all([hold(), hold(), hold()])
  expect(most).toBe(1)
})

test('a lock lasts as long as npm, even if the command that started it was killed', async () => {
  const npm = spawn('sleep', ['60'], { stdio: 'ignore' })
  await mkdir(lockAt(), { recursive: true })
  await writeFile(join(lockAt(), 'owner'), `0 ${await pidOfTheDead()} ${npm.pid}`)
  await utimes(lockAt(), 0, 0)
  let held = false
  const holding = holdLock(lockAt(), say).then((lock) => {
    held = true
    return lock
  })
  await new Promise((resolve) => setTimeout(resolve, 300))
  expect(held).toBe(false)
  npm.kill('SIGKILL')
  ;(await holding).release()
})

function pidOfTheDead(): Promise<number> {
  const child = spawn('true', { stdio: 'ignore' })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', () => resolve(child.pid ?? 0))
  })
}

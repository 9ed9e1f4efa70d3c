import { copyFile, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Interruption } from '../desk.ts'
import { exitCodeOfCommand } from '../endings.ts'
import { lesson } from '../lesson.ts'
import { type TestDesk, testDesk, testProject, until } from '../testing/desk.ts'
import { type FakeGrader, type Story, fakeGrader } from '../testing/grader.ts'
import { failing, passing } from '../testing/stories.ts'

let project: Awaited<ReturnType<typeof testProject>>
beforeEach(async () => {
  project = await testProject()
})
afterEach(() => project[Symbol.asyncDispose]())

interface Session {
  readonly desk: TestDesk
  readonly grader: FakeGrader
  readonly file: string
  readonly ending: Promise<number>
  /** Until so many gradings have begun and none runs. */
  idle(gradings: number): Promise<void>
}

function sit(tell: () => Story, paceMs = 0): Session {
  const grader = fakeGrader(tell, { paceMs })
  const desk = testDesk({ root: project.root, grader, terminal: true, env: { NO_COLOR: '1' } })
  const ending = exitCodeOfCommand(desk, () => lesson(['3'], desk))
  const waits = (): number => desk.stdout.text().split('waiting for a save').length - 1
  let seen = 0
  return {
    desk,
    grader,
    file: join(project.root, 'lessons/03-basic-cluster/server.ts'),
    ending,
    async idle(gradings) {
      await until(() => grader.graded.length >= gradings && waits() > seen, desk.stdout.text)
      expect(grader.graded).toHaveLength(gradings)
      seen = waits()
    },
  }
}

test('a lesson is checked at once and at every save, until it passes', async () => {
  const stories = [failing, failing, passing]
  const { file, ending, idle, desk, grader } = sit(() => stories.shift() ?? passing)
  await idle(1)
  await writeFile(file, 'const cores = 2\n')
  await idle(2)
  await writeFile(file, 'const cores = 3\n')
  expect(await ending).toBe(0)
  expect(grader.graded).toHaveLength(3)
  expect(grader.closed).toBe(true)
  expect(desk.stdout.text()).toContain('Lesson 3 is passed.')
})

test("an editor's rename, a file that is gone for a moment and a swap file are one save or none", async () => {
  const { file, ending, idle, desk } = sit(() => failing)
  await idle(1)
  await writeFile(`${file}.new~`, 'const cores = 2\n')
  await rename(`${file}.new~`, file)
  await idle(2)
  await rm(file)
  await until(() => desk.stdout.text().includes('is not there: waiting'), desk.stdout.text)
  await writeFile(file, 'const cores = 2\n')
  await idle(3)
  await writeFile(join(file, '../.server.ts.swp'), 'swap')
  await writeFile(join(file, '../notes.txt'), 'text')
  await writeFile(file, await readFile(file, 'utf8'))
  await writeFile(file, 'const cores = 4\n')
  await idle(4)
  desk.press('q')
  expect(await ending).toBe(0)
})

test('vim, emacs and VS Code each save in their own way, and each save is one check', async () => {
  const { file, ending, idle, desk } = sit(() => failing)
  const beside = (name: string): string => join(file, '..', name)
  await idle(1)
  // vim: a swap file, a probe, the old file set aside, a new one, the old one removed.
  await writeFile(beside('.server.ts.swp'), 'swap')
  await writeFile(beside('4913'), '')
  await rm(beside('4913'))
  await rename(file, beside('server.ts~'))
  await writeFile(file, 'const editor = 1 // vim\n')
  await rm(beside('server.ts~'))
  await idle(2)
  // emacs: a lock that points nowhere, an autosave, a backup, the file in place.
  await symlink('me@here.1234', beside('.#server.ts'))
  await writeFile(beside('#server.ts#'), 'auto')
  await copyFile(file, beside('server.ts~'))
  await writeFile(file, 'const editor = 2 // emacs\n')
  await rm(beside('#server.ts#'))
  await rm(beside('.#server.ts'))
  await idle(3)
  // VS Code: the file emptied and filled.
  await writeFile(file, '')
  await writeFile(file, 'const editor = 3 // code\n')
  await idle(4)
  // One more that changes nothing, and one that does.
  await writeFile(file, 'const editor = 3 // code\n')
  await writeFile(file, 'const editor = 4\n')
  await idle(5)
  desk.press('q')
  expect(await ending).toBe(0)
})

test('who leaves while the files are looked at, just before a check, is not kept by it', async () => {
  const stories = [failing]
  const { ending, idle, desk } = sit(() => stories.shift() ?? passing, 100)
  await idle(1)
  desk.press('r')
  await new Promise((resolve) => setImmediate(resolve))
  desk.press('q')
  expect(await ending).toBe(0)
  expect(desk.stdout.text()).not.toContain('Lesson 3 is passed.')
})

test('a save during a check cancels it and begins again', async () => {
  const stories = [passing, failing]
  const { file, ending, desk, grader } = sit(() => stories.shift() ?? failing, 150)
  await until(() => desk.stdout.text().includes('✓ one worker'), desk.stdout.text)
  await writeFile(file, 'const cores = 2\n')
  await until(() => desk.stdout.text().includes('✗'), desk.stdout.text)
  expect(grader.graded).toHaveLength(2)
  expect(desk.stdout.text()).toContain('stopped there, to begin again')
  desk.press('q')
  expect(await ending).toBe(0)
})

test('who leaves during a check is not told that it begins again', async () => {
  const { ending, desk } = sit(() => passing, 150)
  await until(() => desk.stdout.text().includes('✓ one worker'), desk.stdout.text)
  desk.press('q')
  expect(await ending).toBe(0)
  expect(desk.stdout.text()).toContain('stopped')
  expect(desk.stdout.text()).not.toContain('begin again')
})

test('what the program writes itself during its check is no save', async () => {
  const stories = [failing, failing]
  const { file, ending, idle, desk } = sit(() => stories.shift() ?? passing, 60)
  await until(() => desk.stdout.text().includes('✓ one worker'), desk.stdout.text)
  await writeFile(join(file, '../sessions.json'), '{}')
  await idle(1)
  desk.press('r')
  await idle(2)
  desk.press('q')
  expect(await ending).toBe(0)
})

test('keys give hints, the solution, and another check', async () => {
  const { ending, idle, desk } = sit(() => failing)
  await idle(1)
  desk.press('h')
  await until(() => desk.stdout.text().includes('Hint 1 of 2'), desk.stdout.text)
  desk.press('\u001B[A')
  desk.press('s')
  await until(() => desk.stdout.text().includes('+const cores = 4'), desk.stdout.text)
  desk.press('R')
  await idle(2)
  desk.press('\u0003')
  expect(await ending).toBe(130)
})

test('an interruption from outside ends it at once, with its exit code', async () => {
  const { ending, desk, grader } = sit(() => passing, 60_000)
  await until(() => grader.graded.length === 1, desk.stdout.text)
  desk.interrupt(new Interruption(143))
  expect(await ending).toBe(143)
  expect(grader.closed).toBe(true)
})

import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { exitCodeOfCommand } from './endings.ts'
import { slides } from './slides.ts'
import { testDesk, testProject } from './testing/desk.ts'
import { fakeGrader } from './testing/grader.ts'

const folders: string[] = []

/** Slides need none. */
const noGrader = fakeGrader(() => ({ checks: [] }))

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true })
})

describe('npm run slides', () => {
  test('writes the pages into a folder, and nothing else', async () => {
    const folder = temporaryFolder()
    const { code, text } = await run(['--output', join(folder, 'deep', 'slides')])
    expect(code).toBe(0)
    expect(text).toContain(join(folder, 'deep', 'slides', 'index.html'))
    expect(readdirSync(join(folder, 'deep', 'slides')).toSorted()).toEqual([
      '01-single-thread.html',
      '02-two-roles.html',
      '03-basic-cluster.html',
      'index.html',
    ])
  })

  test('goes to .workshop/slides by itself', async () => {
    const { code, text, exists } = await run([])
    expect(code).toBe(0)
    expect(text).toContain(join('.workshop', 'slides', 'index.html'))
    expect(exists).toBe(true)
  })

  test('refuses a file in place of the folder, an option that is not there, and a lesson', async () => {
    const file = join(temporaryFolder(), 'file')
    writeFileSync(file, 'mine')
    expect(await run(['--output', file])).toMatchObject({
      code: 2,
      error: expect.stringContaining('name a folder'),
    })
    expect(readFileSync(file, 'utf8')).toBe('mine')
    expect(await run(['--outptu', 'x'])).toMatchObject({
      code: 2,
      error: expect.stringContaining('--output'),
    })
    expect(await run(['3'])).toMatchObject({ code: 2, error: expect.stringContaining('leave out 3') })
  })

  async function run(args: readonly string[]) {
    await using project = await testProject()
    const desk = testDesk({ root: project.root, grader: noGrader })
    const code = await exitCodeOfCommand(desk, () => slides(args, desk))
    const exists = existsSync(join(project.root, '.workshop', 'slides', 'index.html'))
    return { code, exists, text: desk.stdout.text(), error: desk.stderr.text() }
  }
})

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'slides-'))
  folders.push(folder)
  return folder
}

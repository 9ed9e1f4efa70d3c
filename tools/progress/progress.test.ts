import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { LessonResult } from '../harness/verdict.ts'
import { fingerprintOf, isCode } from './fingerprint.ts'
import { afterGrading, afterHint, noProgress } from './progress.ts'
import { progressStore } from './store.ts'

const slug = '03-basic-cluster'
let root: string
let warnings: string[]
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'every-core-'))
  warnings = []
})
afterEach(() => rm(root, { recursive: true, force: true }))

const store = (): ReturnType<typeof progressStore> => progressStore(root, (line) => void warnings.push(line))

function graded(verdict: LessonResult['verdict']): LessonResult {
  const checks = [
    { name: 'it forks', verdict: 'passed', durationMs: 1 },
    { name: 'it serves', verdict, durationMs: 1 },
    { name: 'it ends', verdict: verdict === 'passed' ? 'passed' : 'skipped', durationMs: 1 },
  ] as const
  return { number: 3, slug, file: 'server.ts', verdict, durationMs: 3, firstResultMs: 1, checks }
}

const noon = new Date('2026-01-02T12:00:00Z')
const evening = new Date('2026-01-02T18:00:00Z')

test('a pass is remembered with its time, and a later failure does not take it back', () => {
  const passed = afterGrading(noProgress(slug), graded('passed'), noon, 'one')
  const failed = afterGrading(passed, graded('failed'), evening, 'two')
  expect(failed).toEqual({
    version: 1,
    slug,
    attempts: 2,
    firstAttemptAt: noon.toISOString(),
    lastAttemptAt: evening.toISOString(),
    passedAt: noon.toISOString(),
    last: { verdict: 'failed', stoppedAt: 'it serves', fingerprint: 'two' },
    hints: {},
  })
})

test('what is written is read again, and nothing else stays in the folder', async () => {
  store().change(slug, (before) => afterGrading(before, graded('failed'), noon, undefined))
  const kept = store().change(slug, (before) => afterHint(before, 'it serves', 2))
  expect(store().read(slug)).toEqual(kept)
  expect(kept).toMatchObject({ attempts: 1, hints: { 'it serves': 2 } })
  expect(await readdir(join(root, '.workshop/progress'))).toEqual([`${slug}.json`])
  expect(warnings).toEqual([])
})

test.each(['{', '[]', 'null', '{"version":1}', '{"version":1,"attempts":1,"hints":{"x":"y"}}'])(
  'a file that holds %s is kept aside and told in one line',
  async (text) => {
    const folder = join(root, '.workshop/progress')
    await mkdir(folder, { recursive: true })
    await writeFile(join(folder, `${slug}.json`), text)
    expect(store().read(slug)).toEqual(noProgress(slug))
    expect(warnings).toEqual([
      expect.stringMatching(/^The progress of 03-basic-cluster could not be read; it is kept as .*corrupt-/),
    ])
    const [aside = ''] = await readdir(folder)
    expect(await readFile(join(folder, aside), 'utf8')).toBe(text)
  },
)

test('where nothing can be written there is one warning, and the work goes on', async () => {
  // A file in the place of the folder stops even root.
  await writeFile(join(root, '.workshop'), '')
  const one = store()
  const progress = one.change(slug, (before) => afterHint(before, 'it serves', 1))
  one.change(slug, (before) => before)
  expect(progress.hints).toEqual({ 'it serves': 1 })
  expect(warnings).toEqual([expect.stringMatching(/^Your progress cannot be kept: /)])
})

test("a fingerprint changes with the learner's files and with nothing else", async () => {
  const print = await fingerprintOf(root)
  await writeFile(join(root, 'README.md'), 'text')
  await writeFile(join(root, '.server.ts.swp'), 'swap')
  await mkdir(join(root, 'node_modules'))
  await writeFile(join(root, 'node_modules', 'index.js'), 'theirs')
  expect(await fingerprintOf(root)).toBe(print)
  await writeFile(join(root, 'server.ts'), 'a')
  const first = await fingerprintOf(root)
  expect(first).not.toBe(print)
  await writeFile(join(root, 'server.ts'), 'b')
  const second = await fingerprintOf(root)
  expect(second).not.toBe(first)
  await writeFile(join(root, 'data.json'), '{}')
  expect(await fingerprintOf(root)).not.toBe(second)
  expect(await fingerprintOf(root, isCode)).toBe(second)
})

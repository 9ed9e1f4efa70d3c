import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, test, vi } from 'vitest'
import { hindranceSince, isFull, textChangedSince } from './hindrance.ts'
import { standstillSince } from './patience.ts'

afterEach(() => vi.restoreAllMocks())

const folder = mkdtempSync(join(tmpdir(), 'hindrance-'))
afterEach(() => rmSync(folder, { recursive: true, force: true }))

test('where nothing stands in the way nothing is told, and nothing is left', () => {
  expect(hindranceSince(performance.now(), join(folder, 'not', 'there'))).toBeUndefined()
  expect(readdirSync(tmpdir()).filter((name) => name.startsWith('room-'))).toEqual([])
})

test('a machine that was suspended is told by its date, where its clock stood still as well', () => {
  const before = performance.now()
  const date = Date.now()
  vi.spyOn(Date, 'now').mockReturnValue(date + 61_000)
  expect(standstillSince(before)).toBeGreaterThanOrEqual(60_000)
  expect(hindranceSince(before, tmpdir())).toMatch(/stood still for 6\d s/)
})

test('a clock that is set back, too', () => {
  const date = Date.now()
  vi.spyOn(Date, 'now').mockReturnValue(date - 3_600_000)
  expect(standstillSince(performance.now())).toBeGreaterThan(3_000_000)
})

const module = fileURLToPath(new URL('./hindrance.ts', import.meta.url))
const script = `import { hindranceSince } from ${JSON.stringify(module)}; console.log(hindranceSince(performance.now(), '.'))`

test('where nothing more can be written, that is told', () => {
  const limited = `ulimit -f 0; exec "$0" --import tsx --input-type=module -e "$1"`
  const { stdout } = spawnSync('sh', ['-c', limited, process.execPath, script], { encoding: 'utf8' })
  expect(stdout).toMatch(/Nothing more can be written to .* \(EFBIG\)/)
})

test("a lesson's text that is younger than the program is told, and nothing else of the lessons", () => {
  mkdirSync(join(folder, '01-first'), { recursive: true })
  mkdirSync(join(folder, '02-without-a-text'))
  writeFileSync(join(folder, 'handbook.ts'), '')
  writeFileSync(join(folder, '01-first', 'server.ts'), '')
  expect(textChangedSince(Date.now() - 1000, folder)).toBeUndefined()
  writeFileSync(join(folder, '01-first', 'README.md'), '')
  expect(textChangedSince(Date.now() - 1000, folder)).toMatch(/README\.md has changed since the program/)
  expect(textChangedSince(Date.now() + 1000, folder)).toBeUndefined()
})

test('an error that is no matter of room is none', () => {
  expect(isFull(Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' }))).toBe(true)
  expect(isFull(Object.assign(new Error('EACCES'), { code: 'EACCES' }))).toBe(false)
  expect(isFull('ENOSPC')).toBe(false)
})

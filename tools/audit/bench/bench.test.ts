import { expect, test } from 'vitest'
import { projectRoot } from '../../catalog.ts'
import { main, tableOf } from '../bench.ts'
import { spread } from './measure.ts'
import { endAll, start, time } from './spawned.ts'

const node = (script: string): readonly string[] => [process.execPath, '-e', script]

test('a number is the median, with what it lies between', () => {
  expect(spread([900, 1_100, 2_000])).toBe('1.10 s (0.90 s to 2.00 s, 3 times)')
  expect(spread([12_345])).toBe('12.3 s, once')
  expect(spread([])).toBe('not measured')
})

test('the table is Markdown, whatever a command has said', () => {
  expect(tableOf([{ what: 'a save', wanted: '0.6 s', measured: 'no | yes' }])).toContain(
    '| a save | 0.6 s | no · yes |',
  )
})

test('a command is timed to its first mark and to its end', async () => {
  const script = "console.log('begun'); console.error('✗ it holds'); process.exitCode = 1"
  const { firstMs, ms, code, output } = await time(node(script), { cwd: projectRoot, within: 30_000 })
  expect({ code, output }).toEqual({ code: 1, output: expect.stringContaining('✗ it holds') })
  expect(firstMs).toBeLessThanOrEqual(ms)
})

test('until the mark means: Ctrl-C then', async () => {
  const script = "console.log('✓ it holds'); setInterval(() => {}, 1_000)"
  const { firstMs, code } = await time(node(script), { cwd: projectRoot, untilMark: true, within: 30_000 })
  expect(firstMs).toBeDefined()
  expect(code).toBeNull()
})

test('a command that tells no check has no first mark', async () => {
  const { firstMs, code } = await time(node('process.exit(3)'), { cwd: projectRoot, within: 30_000 })
  expect({ firstMs, code }).toEqual({ firstMs: undefined, code: 3 })
})

test('what still runs can be ended', async () => {
  const one = start(node('setInterval(() => {}, 1_000)'), { cwd: projectRoot })
  await endAll()
  expect(await one.ended).toBeNull()
})

test.each([['frist'], ['--runs', 'x'], ['--lesson', '99'], ['--fast']])(
  '%s %s is refused',
  async (...args) => {
    expect(await main(args)).toBe(2)
  },
)

import { expect, test } from 'vitest'
import type { CheckResult } from '../../harness/verdict.ts'
import { barLines, runningShare } from './bars.ts'
import { fit, widthOf } from './fit.ts'
import { type Page, checkLines, headingLines, secondsOf } from './lines.ts'
import { paintFor, wantsColour } from './paint.ts'
import { testDesk } from '../testing/desk.ts'
import { fakeGrader } from '../testing/grader.ts'
import { failing } from '../testing/stories.ts'

const page = (columns: number): Page => ({ columns, paint: paintFor(false) })
const failure = failing.checks.find((check) => check.verdict === 'failed') as CheckResult

test('in a narrow terminal texts wrap under themselves, and a command stays in one piece', () => {
  const heading = headingLines(
    { number: 3, title: 'A basic cluster', file: 'lessons/03-basic-cluster/server.ts' },
    page(50),
  )
  const wordy = {
    ...failure,
    likely: 'a very long explanation\nof two lines, the second of which is long as well',
  }
  expect([...heading, ...checkLines(wordy, page(50))].join('\n')).toMatchInlineSnapshot(`
    "3 · A basic cluster
        lessons/03-basic-cluster/server.ts
      ✗ a WORKERS that makes no sense is
        refused                                  0.4 s
          expected  exit code 1 and a line on stderr
                    that names WORKERS and abc
          got       it forked 2 workers
          likely    a very long explanation
                    of two lines, the second of which
                    is long as well
          read      lessons/03-basic-cluster/README.md#a-configuration-that-refuses-nonsense
          repeat    WORKERS=abc PORT=8000 node --import tsx lessons/03-basic-cluster/server.ts"
  `)
})

test('no line that is not for copying is wider than the page', () => {
  for (const columns of [24, 40, 59, 79, 99]) {
    const unbroken = [failure.read, failure.repeat]
    const lines = checkLines(failure, page(columns)).filter(
      (line) => !unbroken.some((text) => line.endsWith(text ?? '')),
    )
    expect(Math.max(...lines.map((line) => widthOf(line)))).toBeLessThanOrEqual(columns)
  }
})

test('the bars grow with the rates, and take four lines from the first slice on', () => {
  const slice = (program: 'one' | 'ideal' | 'yours', rate: number, round: number) => ({
    program,
    rate,
    round,
  })
  expect(barLines([slice('one', 200, 1)], page(60)).join('\n')).toMatchInlineSnapshot(`
    "      one process    ███████████████████████████   200 req/s
          ideal cluster                             
          your program                              
          round 1"
  `)
  const slices = [
    slice('one', 200, 1),
    slice('ideal', 400, 1),
    slice('yours', 350, 1),
    slice('yours', 370, 2),
  ]
  expect(barLines(slices, page(60)).join('\n')).toMatchInlineSnapshot(`
    "      one process    █████████████▌                200 req/s
          ideal cluster  ███████████████████████████   400 req/s
          your program   ████████████████████████▎     360 req/s
          round 2 · share of the speed-up so far 80 %"
  `)
  for (const columns of [36, 40, 59, 79, 99]) {
    expect(Math.max(...barLines(slices, page(columns)).map((line) => widthOf(line)))).toBeLessThanOrEqual(
      columns,
    )
  }
})

test('there is no share while the reference gains nothing', () => {
  expect(runningShare({ one: 200, ideal: 202, yours: 300 })).toBeUndefined()
  expect(runningShare({ one: 200, ideal: 400, yours: 300 })).toBe(0.5)
  expect(runningShare({ one: 200, ideal: 400 })).toBeUndefined()
})

test('seconds have a decimal while it matters', () => {
  expect([40, 600, 9949, 9951, 61_000].map(secondsOf)).toEqual(['0.0 s', '0.6 s', '9.9 s', '10 s', '61 s'])
})

test('text is cut by what a terminal shows', () => {
  expect(fit('日本語のテスト', 7)).toBe('日本語…')
  expect(fit('short', 5)).toBe('short')
})

test.each([
  [{ isTTY: true }, {}, undefined, true],
  [{ isTTY: false }, {}, undefined, false],
  [{ isTTY: true }, { NO_COLOR: '1' }, undefined, false],
  [{ isTTY: true }, { NO_COLOR: '' }, undefined, true],
  [{ isTTY: false }, { FORCE_COLOR: '1' }, undefined, true],
  [{ isTTY: true }, { FORCE_COLOR: '0' }, undefined, false],
  [{ isTTY: true }, { TERM: 'dumb' }, undefined, false],
  [{ isTTY: true }, { npm_config_color: '' }, undefined, false],
  [{ isTTY: false }, { NO_COLOR: '1' }, true, true],
  [{ isTTY: true }, { FORCE_COLOR: '1' }, false, false],
])('colour: %j %j %j', (output, env, wish, expected) => {
  const desk = testDesk({ root: '/', grader: fakeGrader(() => failing), terminal: output.isTTY })
  expect(wantsColour(desk.stdout, env, wish)).toBe(expected)
})

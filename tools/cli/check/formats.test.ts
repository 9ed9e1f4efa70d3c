import { expect, test } from 'vitest'
import { type CheckResult, type LessonResult, type Results, verdictOf } from '../../harness/verdict.ts'
import { broken, failing, inconclusive, passing } from '../testing/stories.ts'
import type { Story } from '../testing/grader.ts'
import { comparison } from './compare.ts'
import { junitOf } from './junit.ts'
import { markdownOf } from './markdown.ts'
import { paintFor } from '../screen/paint.ts'

function lessonOf(number: number, { checks, throughput }: Story): LessonResult {
  const slug = `0${number}-lesson`
  return {
    number,
    slug,
    file: `lessons/${slug}/server.ts`,
    verdict: verdictOf(checks),
    durationMs: 2100,
    firstResultMs: 800,
    checks,
    ...(throughput && { throughput }),
    sources: { [`lessons/${slug}/server.ts`]: 'ab'.repeat(32) },
    checker: 'cd'.repeat(32),
  }
}

function resultsOf(...stories: readonly Story[]): Results {
  const lessons = stories.map((story, index) => lessonOf(index + 1, story))
  const count = (verdict: LessonResult['verdict']): number =>
    lessons.filter((lesson) => lesson.verdict === verdict).length
  return {
    workshop: '0.1.0',
    node: 'v20.20.2',
    platform: 'linux-x64',
    cores: 2,
    startedAt: '2026-01-02T03:04:05.678Z',
    durationMs: 8400,
    lessons,
    passed: count('passed'),
    failed: count('failed'),
    inconclusive: count('inconclusive'),
    broken: count('broken'),
    seed: 42,
    machine: { cpu: 'A CPU', installed: 2, memoryBytes: 8 * 1024 ** 3, system: 'Linux 6.1' },
    commit: '0123456789abcdef',
  }
}

const failed = (texts: Partial<CheckResult>): Results =>
  resultsOf({ checks: [{ name: 'it serves', verdict: 'failed', durationMs: 400, ...texts }] })

const titleOf = (slug: string): string => `Title of ${slug}`

test('JUnit: a suite for each lesson, a case for each check, each with its time and what came of it', () => {
  expect(junitOf(resultsOf(passing, failing, inconclusive, broken))).toMatchSnapshot()
})

test('JUnit: no character that XML 1.0 forbids, and none that means something in it', () => {
  const xml = junitOf(
    failed({ got: 'a\u0000b\u001B[31mred\u001B[39m\uFFFE\uD800 <&"> \u{1F600}\n\tnext', likely: ']]>' }),
  )
  expect(xml).toContain('message="abred &lt;&amp;&quot;&gt; \u{1F600}&#10;&#9;next"')
  expect(xml).toContain(']]&gt;')
  // eslint-disable-next-line no-control-regex
  expect(xml).not.toMatch(/[\u0000-\u0008\u000B\u000C\u000E-\u001F\uFFFE\uFFFF]/)
  expect(xml).not.toMatch(/\p{Surrogate}/u)
})

test('Markdown: a table, and what stopped each lesson', () => {
  expect(markdownOf(resultsOf(passing, failing, inconclusive), titleOf)).toMatchSnapshot()
})

test('Markdown: what a program printed stays inside its block, and is clipped', () => {
  const text = markdownOf(
    failed({ name: 'a | b <script>', got: '````\n# not a heading', likely: 'x'.repeat(5000) }),
    titleOf,
  )
  expect(text).toContain('`````text\ngot       ````\n          # not a heading')
  expect(text).toContain('a \\| b &lt;script\\>')
  expect(text).toContain(`${'x'.repeat(2000)}…`)
  expect(text).not.toContain('x'.repeat(2001))
})

test('a comparison tells what differs of the machine, and whether it is the same program', () => {
  const before = resultsOf(passing, failing)
  const after = { ...resultsOf(passing, passing), node: 'v22.1.0', cores: 8 }
  const lines = comparison([before, after], ['a.json', 'b.json'], { columns: 100, paint: paintFor(false) })
  expect(lines.join('\n')).toMatchSnapshot()
  const narrow = comparison([before, after], ['a.json', 'b.json'], { columns: 40, paint: paintFor(false) })
  expect(Math.max(...narrow.map((line) => line.length))).toBeLessThanOrEqual(40)
})

/**
 * Results as JUnit XML: a suite for each lesson, a case for each check. Valid against the schema that Ant's format is
 * commonly checked with (windyroad/JUnit-Schema) and against the one of Jenkins, which is wider.
 */

import { stripVTControlCharacters } from 'node:util'
import type { CheckResult, LessonResult, Results } from '../../harness/verdict.ts'

export function junitOf(results: Results): string {
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<testsuites>',
    ...results.lessons.flatMap((lesson, index) => suite(lesson, index, results)),
    '</testsuites>',
    '',
  ].join('\n')
}

function suite(lesson: LessonResult, index: number, results: Results): readonly string[] {
  const count = (...verdicts: readonly CheckResult['verdict'][]): number =>
    lesson.checks.filter(({ verdict }) => verdicts.includes(verdict)).length
  const attributes = {
    id: index,
    name: lesson.slug,
    package: 'every-core',
    // The schema knows neither fractions nor a zone: it is UTC.
    timestamp: results.startedAt.slice(0, 19),
    // It asks for a name, and the machine's own is nobody's business.
    hostname: 'localhost',
    tests: lesson.checks.length,
    failures: count('failed'),
    errors: count('broken'),
    skipped: count('skipped', 'inconclusive'),
    time: secondsOf(lesson.durationMs),
  }
  return [
    `  <testsuite${written(attributes)}>`,
    '    <properties>',
    ...Object.entries(propertiesOf(lesson, results)).map(
      ([name, value]) => `      <property${written({ name, value })}/>`,
    ),
    '    </properties>',
    ...lesson.checks.flatMap((check) => testCase(check, lesson)),
    '    <system-out/>',
    '    <system-err/>',
    '  </testsuite>',
  ]
}

function testCase(check: CheckResult, lesson: LessonResult): readonly string[] {
  const attributes = { name: check.name, classname: lesson.slug, time: secondsOf(check.durationMs) }
  const start = `    <testcase${written(attributes)}`
  const outcome = outcomeOf(check)
  return outcome === undefined ? [`${start}/>`] : [`${start}>`, `      ${outcome}`, '    </testcase>']
}

/** Nothing failed where a check is inconclusive: to a runner of tests that is one which was passed over. */
function outcomeOf(check: CheckResult): string | undefined {
  switch (check.verdict) {
    case 'passed':
      return undefined
    case 'skipped':
      return `<skipped${written({ message: check.note ?? 'a check before it did not pass' })}/>`
    case 'inconclusive':
      return `<skipped${written({ message: `inconclusive: ${check.note ?? check.got ?? 'nothing can be said'}` })}/>`
    case 'failed': {
      const message = check.got ?? 'it does not hold'
      return `<failure${written({ type: 'failed', message })}>${escaped(explained(check))}</failure>`
    }
    case 'broken': {
      const message = check.note ?? 'the checker itself is at fault'
      return `<error${written({ type: 'broken', message })}>${escaped(explained(check))}</error>`
    }
  }
}

/** What there is to know about it, a line each. */
function explained(check: CheckResult): string {
  return (['expected', 'got', 'likely', 'note', 'read', 'repeat'] as const)
    .flatMap((label) => (check[label] === undefined ? [] : [`${label.padEnd(9)} ${check[label]}`]))
    .join('\n')
}

function propertiesOf(lesson: LessonResult, results: Results): Readonly<Record<string, string | number>> {
  const { machine } = results
  const { throughput } = lesson
  const hash = lesson.sources?.[lesson.file]
  return {
    verdict: lesson.verdict,
    file: lesson.file,
    ...(hash !== undefined && { sha256: hash }),
    ...(lesson.checker !== undefined && { checker: lesson.checker }),
    workshop: results.workshop,
    ...(results.commit !== undefined && { commit: results.commit }),
    node: results.node,
    platform: results.platform,
    cores: results.cores,
    ...(machine !== undefined && { cpu: machine.cpu, memoryBytes: machine.memoryBytes }),
    ...(results.seed !== undefined && { seed: results.seed }),
    ...(throughput !== undefined && {
      share: throughput.share,
      accounted: throughput.accounted,
      threshold: throughput.threshold,
    }),
  }
}

function secondsOf(durationMs: number): string {
  return (durationMs / 1000).toFixed(3)
}

function written(attributes: Readonly<Record<string, string | number>>): string {
  return Object.entries(attributes)
    .map(
      ([name, value]) =>
        ` ${name}="${escaped(String(value)).replaceAll('\n', '&#10;').replaceAll('\t', '&#9;')}"`,
    )
    .join('')
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }

function escaped(text: string): string {
  return allowed(text).replaceAll(/[&<>"]/g, (character) => entities[character] ?? character)
}

/** Programs print what they like. XML 1.0 has no way to write most control characters, halves of pairs, U+FFFE and U+FFFF. */
function allowed(text: string): string {
  return stripVTControlCharacters(text)
    .replaceAll('\r\n', '\n')
    .replaceAll(/[^\t\n\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, '')
}

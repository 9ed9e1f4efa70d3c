/** Findings as lines on the screen. */

import { pad, wrap } from '../screen/fit.ts'
import type { Page } from '../screen/lines.ts'
import { type Fitness, type Finding, isFit } from './finding.ts'

const labelWidth = 17

/** `  ✓ cores            2, without a quota`, and the advice below it. */
export function findingLines(
  { subject, fitness, found, advice }: Finding,
  { columns, paint }: Page,
): readonly string[] {
  // In a narrow window texts stand below their subject.
  const narrow = columns < 56
  const indent = narrow ? 6 : 4 + labelWidth
  const told = wrap(found, columns - indent)
  const advised = advice === undefined || fitness === 'good' ? [] : wrap(advice, columns - indent)
  const sign = `  ${signOf(fitness, paint)} `
  const first = narrow ? [sign + subject] : [sign + pad(subject, labelWidth) + (told[0] ?? '')]
  const rest = [...(narrow ? told : told.slice(1)), ...advised.map(paint.gray)]
  return [...first, ...rest.map((line) => ' '.repeat(indent) + line)]
}

export function closingLine(findings: readonly Finding[], { columns, paint }: Page): readonly string[] {
  const cautions = findings.filter(({ fitness }) => fitness === 'caution').length
  const things = cautions === 1 ? 'one thing is' : `${cautions} things are`
  if (!isFit(findings)) {
    const missing = findings.filter(({ fitness }) => fitness === 'bad').map(({ subject }) => subject)
    return wrap(`Something that is needed is missing: ${missing.join(', ')}.`, columns).map(paint.red)
  }
  if (cautions === 0) return [paint.green('All is well: npm run lesson 1')]
  return wrap(`All that is needed is there; ${things} worth knowing (!).`, columns).map(paint.green)
}

function signOf(fitness: Fitness, paint: Page['paint']): string {
  switch (fitness) {
    case 'good':
      return paint.green('✓')
    case 'caution':
      return paint.yellow('!')
    case 'bad':
      return paint.red('✗')
  }
}

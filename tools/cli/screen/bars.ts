/** The three programs of a throughput measurement as bars that grow while they are measured. */

import type { Slice } from '../../harness/grading.ts'
import { fit, pad } from './fit.ts'
import type { Page } from './lines.ts'

type Program = Slice['program']

const labels: Readonly<Record<Program, string>> = {
  one: 'one process',
  ideal: 'ideal cluster',
  yours: 'your program',
}

/** The mean rate of each program that has been measured so far. */
export function meansOf(slices: readonly Slice[]): Partial<Record<Program, number>> {
  const means: Partial<Record<Program, number>> = {}
  for (const program of ['one', 'ideal', 'yours'] as const) {
    const rates = slices.filter((slice) => slice.program === program).map((slice) => slice.rate)
    if (rates.length > 0) means[program] = rates.reduce((sum, rate) => sum + rate, 0) / rates.length
  }
  return means
}

/** (yours − one) / (ideal − one), while both differ by enough to divide by. */
export function runningShare(means: Partial<Record<Program, number>>): number | undefined {
  const { one, ideal, yours } = means
  if (one === undefined || ideal === undefined || yours === undefined) return undefined
  return ideal - one < one * 0.05 ? undefined : (yours - one) / (ideal - one)
}

/** Always four lines, so that nothing jumps. */
export function barLines(slices: readonly Slice[], { columns, paint }: Page): readonly string[] {
  const means = meansOf(slices)
  const fastest = Math.max(...Object.values(means), 1)
  const indent = columns < 60 ? 4 : 6
  const room = Math.max(4, columns - indent - 15 - 12)
  const bars = (['one', 'ideal', 'yours'] as const).map((program) => {
    const rate = means[program]
    const colour = program === 'yours' ? paint.cyan : paint.gray
    const told = rate === undefined ? '' : `${rate.toFixed(0).padStart(6)} req/s`
    return `${' '.repeat(indent)}${pad(labels[program], 14)} ${colour(bar(rate ?? 0, fastest, room))}${told}`
  })
  return [...bars, `${' '.repeat(indent)}${paint.gray(fit(shareText(slices, means), columns - indent))}`]
}

const eighths = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉']

function bar(value: number, largest: number, room: number): string {
  const parts = Math.round((value / largest) * room * 8)
  return pad('█'.repeat(Math.floor(parts / 8)) + (eighths[parts % 8] ?? ''), room)
}

function shareText(slices: readonly Slice[], means: Partial<Record<Program, number>>): string {
  const round = Math.max(0, ...slices.map((slice) => slice.round))
  const share = runningShare(means)
  if (share === undefined) return `round ${round}`
  return `round ${round} · share of the speed-up so far ${(share * 100).toFixed(0)} %`
}

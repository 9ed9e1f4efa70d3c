import { describe, expect, test } from 'vitest'
import {
  decide,
  decideShare,
  estimateRatio,
  estimateShare,
  FIRST_LOOK,
  LAST_LOOK,
  LEAST_COST,
  studentQuantile,
  type Decision,
  type Round,
} from './share.ts'

describe("Student's quantile", () => {
  // R: qt(p, df)
  test.each([
    [0.975, 8, 2.306],
    [0.9995, 8, 5.0413],
    [0.99975, 10, 5.0489],
    [0.99999, 20, 5.4609],
    [0.9, 30, 1.3104],
  ])('of %f with %i degrees of freedom is %f', (probability, freedom, value) => {
    expect(studentQuantile(probability, freedom) / value).toBeCloseTo(1, 1)
  })
})

test('the share of the reference itself is 1, and that of one process 0', () => {
  const rounds = Array.from({ length: 4 }, () => ({ one: 100, ideal: 195, yours: 195 }))
  expect(estimateShare(rounds).share).toBeCloseTo(1)
  expect(estimateShare(rounds.map((round) => ({ ...round, yours: 100 }))).share).toBeCloseTo(0)
})

test('a clear case ends after three rounds', () => {
  const right = simulate(mulberry(1), { share: 1, spread: 0.03 })
  expect(right).toEqual({ decision: 'above', rounds: 3 })
  const wrong = simulate(mulberry(2), { share: 0, spread: 0.03 })
  expect(wrong).toEqual({ decision: 'below', rounds: 3 })
})

describe('of 4,000 simulated gradings', () => {
  // Spreads of a slice's undisturbed rate as they were measured: 5 % on a quiet machine, up to 9 % beside other
  // programs; and, in some of the slices, a stall that takes up to 60 % of it. At 12 % much is left open.
  test.each([
    { share: 1, spread: 0.05, stalls: 0, right: 'above', open: 0.005 },
    { share: 1, spread: 0.09, stalls: 0.02, right: 'above', open: 0.2 },
    { share: 1, spread: 0.12, stalls: 0.02, right: 'above', open: 1 },
    { share: 0, spread: 0.05, stalls: 0, right: 'below', open: 0.005 },
    { share: 0.1, spread: 0.09, stalls: 0.02, right: 'below', open: 0.2 },
    { share: 0.1, spread: 0.12, stalls: 0.02, right: 'below', open: 1 },
  ] as const)(
    'a share of $share with a spread of $spread is hardly ever misjudged',
    ({ right, open, ...machine }) => {
      const random = mulberry(7)
      const decisions = Array.from({ length: 4_000 }, () => simulate(random, machine).decision)
      const wrong = decisions.filter((decision) => decision !== right && decision !== 'more').length
      const undecided = decisions.filter((decision) => decision === 'more').length
      expect(wrong).toBeLessThanOrEqual(4)
      expect(undecided / decisions.length).toBeLessThanOrEqual(open)
    },
  )
})

test('at the threshold itself the error over all looks stays below half a percent each way', () => {
  const random = mulberry(11)
  const decisions = Array.from(
    { length: 4_000 },
    () => simulate(random, { share: 0.7, spread: 0.05 }).decision,
  )
  for (const side of ['above', 'below'] as const) {
    expect(decisions.filter((decision) => decision === side).length).toBeLessThanOrEqual(20)
  }
})

test('a plain ratio is decided in the same way', () => {
  const rounds = Array.from({ length: 3 }, () => ({ one: 100, ideal: 200, yours: 99 }))
  expect(decide(estimateRatio(rounds), 0.85, 3)).toBe('above')
  expect(decide(estimateRatio(rounds.map((round) => ({ ...round, yours: 60 }))), 0.85, 3)).toBe('below')
})

interface Machine {
  readonly share: number
  /** Relative standard deviation of one slice. */
  readonly spread: number
  /** How often a slice is stalled. */
  readonly stalls?: number
}

/** One grading at a threshold of 0.7 on two cores. */
function simulate(
  random: () => number,
  { share, spread, stalls = 0 }: Machine,
): { decision: Decision; rounds: number } {
  const rounds: Round[] = []
  const slice = (rate: number): number => {
    const stall = random() < stalls ? 1 - 0.6 * random() : 1
    return Math.max(1, rate * stall * (1 + spread * normal(random)))
  }
  for (;;) {
    rounds.push({ one: slice(100), ideal: slice(190), yours: slice(100 + 90 * share) })
    const decision = decide(estimateShare(rounds), 0.7, rounds.length)
    if (decision !== 'more' || rounds.length === LAST_LOOK) return { decision, rounds: rounds.length }
  }
}

function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}

/** Mulberry32 (Tommy Ettinger, public domain): the same numbers for the same seed everywhere. */
function mulberry(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

test('a page that costs too little is refused, whatever its share', () => {
  const rounds = Array.from({ length: FIRST_LOOK }, () => ({ one: 100, ideal: 195, yours: 900 }))
  const costs = (yours: number): readonly Round[] => rounds.map(() => ({ one: 10, ideal: 10, yours }))
  expect(decideShare(rounds, costs(1), 0.6)).toBe('cheap')
  expect(decideShare(rounds, costs(LEAST_COST * 10), 0.6)).toBe('more')
  expect(decideShare(rounds, costs(10), 0.6)).toBe('above')
  const slow = rounds.map((round) => ({ ...round, yours: 100 }))
  expect(decideShare(slow, costs(10), 0.6)).toBe('below')
  expect(decideShare(slow, costs(1), 0.6)).toBe('cheap')
})

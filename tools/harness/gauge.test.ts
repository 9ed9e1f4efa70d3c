import { expect, test } from 'vitest'
import { workIn } from './gauge.ts'

const times = (length: number, count = 10): number[] => Array.from({ length: count }, () => length)

test('takes out what the gauge itself cost, and the speed of the core', () => {
  const fast = workIn(new Map([[1, 220]]), [{ pid: 1, times: times(1) }])
  expect(fast).toBe(200)
  const slow = workIn(new Map([[1, 200 * 1.5 ** 0.7 + 30]]), [{ pid: 1, times: times(1.5) }])
  expect(slow).toBeCloseTo(200)
})

test('leaves out a time in which another program had the core', () => {
  expect(workIn(new Map([[1, 222]]), [{ pid: 1, times: [...times(1), 12] }])).toBeCloseTo(200)
})

test('counts a process without requests by the cores of the others', () => {
  const gauged = [
    { pid: 1, times: times(2) },
    { pid: 2, times: [] },
  ]
  const [one = 0, both = 0] = [
    workIn(new Map([[1, 140]]), gauged),
    workIn(
      new Map([
        [1, 140],
        [2, 100],
      ]),
      gauged,
    ),
  ]
  expect(both).toBeCloseTo(2 * one)
})

test('says nothing where few requests came, or none', () => {
  expect(workIn(new Map([[1, 200]]), [{ pid: 1, times: times(1, 3) }])).toBeUndefined()
  expect(workIn(new Map([[1, 200]]), [])).toBeUndefined()
})

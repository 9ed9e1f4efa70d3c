import { expect, test } from 'vitest'
import { drawLots } from './lot.ts'

const faults = ['kill', 'hang', 'leak', 'crash', 'reload']

test('the same seed draws the same order', () => {
  expect(drawLots(7).shuffled(faults)).toEqual(drawLots(7).shuffled(faults))
})

test('every order keeps all, and a hundred seeds draw many orders', () => {
  const orders = Array.from({ length: 100 }, (_, seed) => drawLots(seed).shuffled(faults))
  for (const order of orders) expect([...order].sort()).toEqual([...faults].sort())
  expect(new Set(orders.map(String)).size).toBeGreaterThan(50)
})

test('one of many is one of them, and nothing cannot be drawn from', () => {
  expect(faults).toContain(drawLots(1).oneOf(faults))
  expect(() => drawLots(1).oneOf([])).toThrow('nothing to draw from')
})

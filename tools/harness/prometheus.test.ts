import { expect, test } from 'vitest'
import { readExposition } from './prometheus.ts'

test('samples, types and labels are read', () => {
  const { samples, types, odd } = readExposition(
    '# HELP a What it is\n# TYPE a counter\na{worker="1"} 3\na{worker="2",x="q\\"\\\\,}"} 1.5e3 1700000000\n\nb NaN\n',
  )
  expect(types).toEqual({ a: 'counter' })
  expect(samples).toEqual([
    { name: 'a', labels: { worker: '1' }, value: 3 },
    { name: 'a', labels: { worker: '2', x: 'q"\\,}' }, value: 1500 },
    { name: 'b', labels: {}, value: Number.NaN },
  ])
  expect(odd).toBeUndefined()
})

test('the first line that is no sample is told', () => {
  expect(readExposition('a 1\n{"a":1}\nb\n').odd).toBe('{"a":1}')
  expect(readExposition('a undefined\n').odd).toBe('a undefined')
})

import { describe, expect, test } from 'vitest'
import { lessons } from '../../catalog.ts'
import { checkNames } from '../expectations.ts'
import { nameOf } from './disturbances.ts'
import { none, type Counts, type Entry } from './ledger.ts'
import { accuracyTable } from './table.ts'

const [lesson] = lessons()
const [check = ''] = lesson === undefined ? [] : checkNames(lesson)

function entry(beside: string, counts: Partial<Counts>, what: Entry['what'] = 'checks'): Entry {
  return {
    at: '2026-11-24T12:00:00.000Z',
    commit: 'abc1234',
    node: 'v20.20.2',
    cores: 2,
    load: 0,
    beside,
    lesson: lesson?.slug ?? '',
    program: 'solutions/01-single-thread/server.ts',
    isRight: true,
    what,
    checks: { [check]: { ...none, ...counts } },
    medianMs: 1000,
    worstMs: 2000,
  }
}

describe('the table of accuracy', () => {
  test('adds up what was recorded in the same state', () => {
    const text = accuracyTable([entry('nothing', { right: 3 }), entry('nothing', { right: 2 })], lessons())
    expect(text).toContain(`| ${check} | 5 of 5 |`)
  })

  test('tells what was not right, and a wrong verdict loudly', () => {
    const text = accuracyTable([entry('2 loops', { right: 3, wrong: 1, inconclusive: 2 })], lessons())
    expect(text).toContain('3 of 6, **1 wrong**, 2 inconclusive')
  })

  test('puts the state that disturbs least first', () => {
    const states = ['one core', '2 loops', 'nothing', 'one loop'].map((state) => entry(state, { right: 1 }))
    expect(accuracyTable(states, lessons())).toContain(
      '| check | nothing beside | one loop | 2 loops | one core |',
    )
  })

  test('keeps gradings of throughput alone apart from verdicts', () => {
    const text = accuracyTable([entry('nothing', { right: 7 }, 'throughput')], lessons())
    expect(text).toContain('| nothing |  | 7 of 7 |')
    expect(text).not.toContain('| check |')
  })
})

test('a state is named by all that goes on', () => {
  expect(nameOf({ hogs: 0, burst: false })).toBe('nothing')
  expect(nameOf({ hogs: 2, burst: true, cores: 1, workers: 16 })).toBe(
    '2 loops, bursts, one core, 16 workers',
  )
})

import { describe, expect, test } from 'vitest'
import { longestWait } from './taken-for-hung.ts'
import type { Usage } from './usage.ts'

function look(
  at: number,
  waits: Readonly<Record<number, number>>,
  source: Usage['source'] = 'kernel',
): Usage {
  const processes = Object.entries(waits).map(([pid, waitMs]) => ({
    pid: Number(pid),
    threads: [
      { id: Number(pid), cpuMs: 0, waitMs },
      { id: Number(pid) + 1_000, cpuMs: 0, waitMs: 99_999 * at },
    ],
  }))
  return { at, source, idleMs: 0, processes }
}

describe('how long a machine kept a program waiting', () => {
  test('is what one process waited within the window, not all of them together', () => {
    const looks = [
      look(0, { 1: 0, 2: 0 }),
      look(1_000, { 1: 700, 2: 600 }),
      look(2_000, { 1: 800, 2: 1_300 }),
    ]
    expect(longestWait(looks, 2_000)).toBe(1_300)
  })

  test('leaves out what lies further apart than the window', () => {
    const looks = [0, 1, 2, 3, 4].map((second) => look(second * 1_000, { 1: second * 300 }))
    expect(longestWait(looks, 2_000)).toBe(600)
  })

  test('takes in two looks that follow each other, however late the second came', () => {
    expect(longestWait([look(0, { 1: 0 }), look(9_000, { 1: 5_000 })], 2_000)).toBe(5_000)
  })

  test('knows what a process waited that is gone at the end', () => {
    const looks = [look(0, { 1: 0, 2: 0 }), look(250, { 1: 200, 2: 1 }), look(500, { 2: 2 })]
    expect(longestWait(looks, 2_000)).toBe(200)
  })

  test('says nothing of one that has only just begun', () => {
    expect(longestWait([look(0, { 1: 0 }), look(250, { 1: 1, 3: 900 })], 2_000)).toBe(1)
  })
})

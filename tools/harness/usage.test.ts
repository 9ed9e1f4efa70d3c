import { expect, test } from 'vitest'
import { usedBetween, type Usage } from './usage.ts'

type Reading = Usage['processes'][number]

const thread = (id: number, cpuMs: number, waitMs = 0) => ({ id, cpuMs, waitMs })

function reading(at: number, processes: readonly Reading[], idleMs = 0): Usage {
  return { at, source: 'kernel', idleMs, processes }
}

test('what was used before the first reading does not count', () => {
  const used = usedBetween(
    reading(1_000, [{ pid: 1, threads: [thread(1, 500, 90)] }], 2_000),
    reading(1_300, [{ pid: 1, threads: [thread(1, 740, 100)] }], 2_150),
  )
  expect(used).toMatchObject({ timeMs: 300, cpuMs: 240, wantedMs: 250, idleMs: 150 })
})

test('a process that came between the readings counts from its start', () => {
  const used = usedBetween(reading(0, []), reading(300, [{ pid: 1, threads: [thread(1, 100, 50)] }]))
  expect(used).toMatchObject({ cpuMs: 100, wantedMs: 150 })
})

test('what a helping thread wants is left out, what it uses is not', () => {
  const used = usedBetween(
    reading(0, []),
    reading(300, [{ pid: 1, threads: [thread(1, 200), thread(2, 10, 250)] }]),
  )
  expect(used).toMatchObject({ cpuMs: 210, wantedMs: 200 })
})

test('a thread wants one core at most', () => {
  const used = usedBetween(reading(0, []), reading(300, [{ pid: 1, threads: [thread(1, 200, 200)] }]))
  expect(used.wantedMs).toBe(300)
})

test('what each process used is told apart', () => {
  const used = usedBetween(
    reading(0, []),
    reading(300, [
      { pid: 1, threads: [thread(1, 5)] },
      { pid: 2, threads: [thread(2, 200)] },
    ]),
  )
  expect([...used.cpuByProcess]).toEqual([
    [1, 5],
    [2, 200],
  ])
})

test.each([
  [['0-1', '0-1'], 2],
  [['0', '1'], 2],
  [['1', '1'], 1],
  [['0-2,4,7-8', '4'], 6],
])('processes that may use the cores %j may use %i together', (lists, count) => {
  const processes = lists.map((cores, index) => ({ pid: index + 1, threads: [thread(index, 200)], cores }))
  expect(usedBetween(reading(0, []), reading(300, processes)).allowed).toBe(count)
})

test('a process that carries nothing has no say in the cores', () => {
  const processes = [
    { pid: 1, threads: [thread(1, 1)], cores: '0-7' },
    { pid: 2, threads: [thread(2, 200)], cores: '3' },
  ]
  expect(usedBetween(reading(0, []), reading(300, processes)).allowed).toBe(1)
})

test('where the kernel does not tell the cores, nobody guesses', () => {
  const used = usedBetween(reading(0, []), reading(300, [{ pid: 1, threads: [thread(1, 200)] }]))
  expect(used.allowed).toBeUndefined()
})

test('a thread that looks for its turn, and waits for a core each time, would have slept without that wait', () => {
  const used = usedBetween(reading(0, []), reading(300, [{ pid: 1, threads: [thread(1, 3, 270)] }]))
  expect(used).toMatchObject({ wantedMs: 273, aloneMs: 30 })
})

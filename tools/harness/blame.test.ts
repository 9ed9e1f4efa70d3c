import { expect, test } from 'vitest'
import { blameFor } from './blame.ts'
import type { Asked } from './clients.ts'
import type { ProgramEvent } from './events.ts'
import type { Program } from './program.ts'

const asked = (path: string, sentAt: number, endedAt: number, stalledMs = 0): Asked => ({
  ok: false,
  code: 'ECONNRESET',
  ms: endedAt - sentAt,
  path,
  sentAt,
  endedAt,
  at: endedAt,
  stalledMs,
})

/** Worker 11 and worker 12; who began what. */
const programThatBegan = (...begun: readonly (readonly [pid: number, url: string])[]): Program =>
  ({
    workers: [{ pid: 11 }, { pid: 12 }],
    eventsOf: (type: ProgramEvent['type']) =>
      type === 'request' ? begun.map(([pid, url]) => ({ type, pid, url })) : [],
  }) as unknown as Program

const hits = [{ pid: 11, from: 100, until: 200 }]

test('what a worker had begun is lost with it', () => {
  const { lost, unexcused } = blameFor(programThatBegan([11, '/a']), [asked('/a', 50, 150)], hits)
  expect(lost).toHaveLength(1)
  expect(unexcused).toHaveLength(0)
})

test('what another worker had begun is not excused', () => {
  const { unexcused } = blameFor(programThatBegan([12, '/a']), [asked('/a', 50, 150)], hits)
  expect(unexcused).toMatchObject([{ begunBy: [12] }])
})

test('what failed at another time is not excused, though the worker had begun it', () => {
  const { unexcused } = blameFor(programThatBegan([11, '/a']), [asked('/a', 300, 310)], hits)
  expect(unexcused).toHaveLength(1)
})

test('what nobody had begun was on its way, if that was at the time of a hit', () => {
  const { onTheWay, unexcused } = blameFor(
    programThatBegan(),
    [asked('/a', 90, 400), asked('/b', 300, 310)],
    hits,
  )
  expect(onTheWay.map(({ path }) => path)).toEqual(['/a'])
  expect(unexcused.map((one) => one.asked.path)).toEqual(['/b'])
})

test('a reset connection says nothing when its client stood still', () => {
  const blame = blameFor(programThatBegan(), [asked('/stalled', 0, 900, 700)], [])
  expect(blame).toEqual({ lost: [], onTheWay: [], unexcused: [] })
})

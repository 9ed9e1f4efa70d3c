import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import type { WatchedProcess } from '../../harness/watched-processes.ts'
import { liveOn } from './live.ts'
import { openOutflow } from './outflow.ts'
import { paintFor } from './paint.ts'
import { choosable, processLines, turnoverLine } from './processes.ts'

const page = (columns: number) => ({ columns, paint: paintFor(false) })

const primary: WatchedProcess = {
  pid: 500,
  role: 'primary',
  worker: undefined,
  state: 'listening',
  requests: 0,
  requestsPerSecond: 0,
  delayMs: 1.4,
  rssBytes: 70 * 1024 ** 2,
  silentMs: undefined,
  sinceMs: 75_000,
  end: undefined,
}
const worker = (id: number, more: Partial<WatchedProcess> = {}): WatchedProcess => ({
  ...primary,
  pid: 500 + id,
  role: 'worker',
  worker: id,
  ...more,
})
const cluster = [
  primary,
  worker(1, { state: 'gone', end: 'killed by SIGKILL', sinceMs: 2_000 }),
  worker(2, { requests: 1_234, requestsPerSecond: 98.7, delayMs: 12 }),
  worker(3, { silentMs: 4_100 }),
  worker(4, { state: 'starting', delayMs: undefined, rssBytes: undefined, sinceMs: 300 }),
]

test('each process has a line with its state, its load and its delay', () => {
  const lines = processLines(cluster, { page: page(100), rows: 20, chosen: 502 })
  expect(`\n${lines.join('\n')}\n`).toMatchInlineSnapshot(`
    "
       process         pid  state         req/s   delay  memory  requests   since
       primary         500  listening         0    1 ms  70 MiB         0   1 min
       worker 1        501  gone: SIGKILL     0          70 MiB         0     2 s
    ▸1 worker 2        502  listening        99   12 ms  70 MiB      1234   1 min
     2 worker 3        503  no answer         0    >4 s  70 MiB         0   1 min
     3 worker 4        504  starting          0       –       –         0     0 s
    "
  `)
  expect(turnoverLine(cluster, { forked: 4, gone: 1 })).toMatchInlineSnapshot(
    `"1 of 3 workers answer · 4 forked, 1 gone · 99 requests/s"`,
  )
})

test('every line fits, however narrow the terminal', () => {
  for (const columns of [24, 59, 79, 100]) {
    const lines = processLines(cluster, { page: page(columns), rows: 20, chosen: 502 })
    expect(lines.filter((line) => line.length > columns)).toEqual([])
  }
})

test('more processes than there are lines are counted', () => {
  const many = [primary, ...Array.from({ length: 64 }, (_, index) => worker(index + 1))]
  const lines = processLines(many, { page: page(80), rows: 12, chosen: undefined })
  expect(lines).toHaveLength(12)
  expect(lines.at(-1)).toBe('   … and 55 more')
})

test('digits name the living workers, oldest first', () => {
  expect(choosable(cluster).map(({ worker }) => worker)).toEqual([2, 3, 4])
})

test('one that went some time ago leaves the table', () => {
  const old = [primary, worker(1, { state: 'gone', sinceMs: 60_000 })]
  expect(processLines(old, { page: page(80), rows: 12, chosen: undefined })).toHaveLength(2)
})

test('what a program prints keeps its colours and can move no cursor', () => {
  const output = new PassThrough()
  const outflow = openOutflow(liveOn(output, {}))
  outflow.add('\u001B[2J\u001B[31mred\u001B[39m\rback\u0007\ttab')
  outflow.close()
  expect(String(output.read())).toBe('\u001B[31mred\u001B[39mback    tab\u001B[0m\n')
})

test('of a flood a part is shown, and the rest is counted', () => {
  const output = new PassThrough()
  const outflow = openOutflow(liveOn(output, {}))
  for (let line = 0; line < 1_000; line += 1) outflow.add(`line ${line}`)
  outflow.close()
  const lines = String(output.read()).trim().split('\n')
  expect([lines.length, lines.at(-1)]).toEqual([201, '… 800 lines more, too fast to show'])
})

import { expect, test } from 'vitest'
import type { ProgramEvent } from './events.ts'
import { lifecycleDifference, lifecycleSeen, lifecycleTold, mostAlive } from './lifecycle.ts'
import type { LostWorker } from './workers.ts'

let seq = 0
const stamp = () => ({ key: 'p1', seq: ++seq, at: 1_000 + seq, pid: 100 })

function forks(worker: number): ProgramEvent {
  return { ...stamp(), type: 'fork', worker, workerPid: 100 + worker }
}

function exits(worker: number): ProgramEvent {
  return { ...stamp(), type: 'exit', worker, workerPid: 100 + worker, code: null, signal: 'SIGKILL' }
}

test('a worker lives from its fork to its exit', () => {
  const events = [forks(1), forks(2), exits(1), forks(3), exits(2), exits(3)]
  expect(mostAlive({ events })).toBe(2)
})

test('only what comes after counts, with those that live then', () => {
  const events = [forks(1), forks(2), forks(3), exits(1), exits(2), forks(4)]
  expect(mostAlive({ events }, { since: events[4]?.seq ?? 0 })).toBe(2)
})

test('one that was killed counts no more, though its exit is not known yet', () => {
  const events = [forks(1), forks(2), forks(3), exits(1)]
  const killed = [{ pid: 101, lostAfter: events[1]?.seq ?? 0 } as LostWorker]
  expect(mostAlive({ events })).toBe(3)
  expect(mostAlive({ events }, { killed })).toBe(2)
})

test('a worker whose process has gone counts no more', () => {
  const gone: ProgramEvent = { ...stamp(), type: 'gone', pid: 101 }
  expect(mostAlive({ events: [forks(1), forks(2), gone, forks(3)] })).toBe(2)
})

test('what was seen of workers has their code and signal at the end', () => {
  expect(lifecycleSeen({ events: [forks(7), exits(7)] })).toEqual([
    { event: 'fork', worker: 7, pid: 107 },
    { event: 'exit', worker: 7, pid: 107, code: null, signal: 'SIGKILL' },
  ])
})

test('what was told of workers is found between other lines', () => {
  const lines = [
    'ready: 2 workers on port 8000',
    '{"event":"fork","worker":1,"pid":101,"at":"noon"}',
    '{"event":"tick"}',
    '{"event":"disconnect","worker":1,"pid":101,"code":1,"signal":"SIGTERM"}',
    '{ not JSON',
    'null',
    '{"event":"exit","worker":1,"pid":101,"code":0,"signal":null}',
  ]
  expect(lifecycleTold({ lines: () => lines })).toEqual([
    { event: 'fork', worker: 1, pid: 101 },
    { event: 'disconnect', worker: 1, pid: 101 },
    { event: 'exit', worker: 1, pid: 101, code: 0, signal: null },
  ])
})

/** What is said of a program with these events and these lines. */
const difference = (events: readonly ProgramEvent[], ...lines: readonly object[]) =>
  lifecycleDifference({
    events,
    lines: (stream) => (stream === 'stdout' ? lines.map((line) => JSON.stringify(line)) : []),
  })

test('an event that was told once is well told, in any order and with more beside it', () => {
  const fork = { event: 'fork', worker: 1, pid: 101, at: 'noon' }
  const exit = { signal: 'SIGKILL', pid: 101, worker: 1, event: 'exit' }
  expect(difference([forks(1), exits(1)], fork, exit)).toBeUndefined()
})

test('an event that was not told, told otherwise or told twice is found', () => {
  const fork = { event: 'fork', worker: 1, pid: 101 }
  expect(difference([forks(1)])?.got).toBe('no line tells of this fork')
  expect(difference([forks(1)], { ...fork, worker: '1' })?.got).toContain('"worker":"1"')
  expect(difference([forks(1)], fork, fork)?.got).toMatch(/^2 × /)
})

test('an event that was told though it never was is found', () => {
  const fork = { event: 'fork', worker: 1, pid: 101 }
  expect(difference([forks(1)], fork, { ...fork, event: 'online' })?.expected).toContain('did not emit')
})

test('one line is enough for a worker that listens on two addresses', () => {
  const listens = (): ProgramEvent => ({
    ...stamp(),
    type: 'listening',
    worker: 1,
    workerPid: 101,
    port: 1,
    address: null,
  })
  expect(difference([listens(), listens()], { event: 'listening', worker: 1, pid: 101 })).toBeUndefined()
})

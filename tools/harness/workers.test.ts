import { expect, test } from 'vitest'
import type { ProgramEvent } from './events.ts'
import { workersFrom } from './workers.ts'

let seq = 0

function event(type: 'fork' | 'online' | 'disconnect', worker: number): ProgramEvent {
  return { ...stamp(), type, worker, workerPid: 100 + worker }
}

function listening(worker: number, port = 20_000): ProgramEvent {
  return { ...stamp(), type: 'listening', worker, workerPid: 100 + worker, port, address: null }
}

function exit(worker: number): ProgramEvent {
  return { ...stamp(), type: 'exit', worker, workerPid: 100 + worker, code: null, signal: 'SIGKILL' }
}

function stamp() {
  seq += 1
  return { key: 'p1', seq, at: 1_000 + seq, pid: 100 }
}

const statesAfter = (...events: readonly ProgramEvent[]): readonly string[] =>
  workersFrom(events).map(({ id, state }) => `${id} ${state}`)

test('a program that forks nothing has no workers', () => {
  const events: readonly ProgramEvent[] = [{ ...stamp(), type: 'started', pid: 100 }]
  expect(workersFrom(events)).toEqual([])
})

test('a worker goes from forked over online and listening to gone', () => {
  const events = [event('fork', 1), event('online', 1), listening(1), event('disconnect', 1), exit(1)]
  const seen = events.map((_event, index) => workersFrom(events.slice(0, index + 1))[0]?.state)
  expect(seen).toEqual(['forked', 'online', 'listening', 'disconnected', 'gone'])
})

test('workers stand in the order of their forks, the dead ones too', () => {
  expect(statesAfter(event('fork', 2), event('fork', 1), exit(2), event('fork', 3))).toEqual([
    '2 gone',
    '1 forked',
    '3 forked',
  ])
})

test('online after listening leaves a worker listening', () => {
  expect(statesAfter(event('fork', 1), listening(1), event('online', 1))).toEqual(['1 listening'])
})

test('a worker that listens by itself listens, whatever the primary knows of it', () => {
  const alone: ProgramEvent = {
    ...stamp(),
    type: 'server-listening',
    pid: 101,
    port: 20_005,
    serves: true,
    alone: true,
  }
  const seen = workersFrom([event('fork', 1), event('fork', 2), alone])
  expect(seen.map(({ id, state, ports }) => `${id} ${state} ${ports.join()}`)).toEqual([
    '1 listening 20005',
    '2 forked ',
  ])
  expect(statesAfter(event('fork', 1), exit(1), { ...alone, ...stamp(), pid: 101 })).toEqual(['1 gone'])
})

test('nothing brings a worker back that has gone', () => {
  expect(statesAfter(event('fork', 1), exit(1), event('disconnect', 1), listening(1))).toEqual(['1 gone'])
})

test('events of a worker whose fork nobody saw count for nothing', () => {
  expect(statesAfter(event('online', 7), exit(7))).toEqual([])
})

test('a worker has the port and the times of what happened to it', () => {
  const fork = event('fork', 1)
  const first = listening(1, 20_001)
  const second = listening(1, 20_002)
  const end = exit(1)
  expect(workersFrom([fork, first, second, end])).toEqual([
    {
      id: 1,
      pid: 101,
      state: 'gone',
      ports: [20_001, 20_002],
      forkedSeq: fork.seq,
      forkedAt: fork.at,
      listeningAt: first.at,
      goneAt: end.at,
    },
  ])
})

test('what was seen before is not changed by what is seen later', () => {
  const events: ProgramEvent[] = [event('fork', 1)]
  const before = workersFrom(events)
  events.push(exit(1))
  workersFrom(events)
  expect(before[0]?.state).toBe('forked')
})

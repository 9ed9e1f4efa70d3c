import { afterEach, expect, test } from 'vitest'
import type { ProgramEvent } from './events.ts'
import { Mismatch } from './problems.ts'
import type { Program } from './program.ts'
import { timelineOf } from './timeline.ts'
import { forgetWitnesses, rememberWitness, touch, witnessOf } from './witnesses.ts'

afterEach(forgetWitnesses)

const event = (at: number, more: Record<string, unknown>): ProgramEvent =>
  ({ key: 'p1', seq: at, at: 1_000 + at, ...more }) as unknown as ProgramEvent

const events = [
  event(0, { type: 'started', pid: 10 }),
  event(100, { type: 'fork', pid: 10, worker: 1, workerPid: 11 }),
  event(300, { type: 'listening', pid: 10, worker: 1, workerPid: 11, port: 8000, address: null }),
  event(301, { type: 'server-listening', pid: 11, serves: true, port: 8000 }),
  event(310, { type: 'line', stream: 'stdout', text: 'ready: 1 worker' }),
  event(500, { type: 'exit', pid: 10, worker: 1, workerPid: 11, code: null, signal: 'SIGKILL' }),
  event(900, { type: 'ended', code: 0, signal: null }),
]

test('what happened and what was done to it stand in one order, up to the failure', () => {
  const { entries } = timelineOf({
    command: 'node server.ts',
    events,
    deeds: [
      { at: 1_400, type: 'signal', signal: 'SIGKILL', pid: 11 },
      {
        at: 1_320,
        type: 'request',
        method: 'GET',
        path: '/',
        admin: false,
        pid: 11,
        outcome: '200 after 3 ms',
      },
      { at: 1_350, type: 'command', pid: 11, command: { do: 'block', ms: 200 } },
      { at: 1_351, type: 'command', pid: 11, command: { do: 'environment', id: 3 } },
    ],
    failedAt: 1_600,
  })
  expect(entries.map(({ at, who, what }) => `${at} ${who}: ${what}`)).toEqual([
    '0 primary: started (pid 10)',
    '100 worker 1: forked (pid 11)',
    '300 worker 1: listens on port 8000',
    '310 stdout: ready: 1 worker',
    '320 worker 1: GET /: 200 after 3 ms',
    '350 the checker: blocks worker 1 for 200 ms',
    '400 the checker: sends SIGKILL to worker 1',
    '500 worker 1: gone: killed by SIGKILL',
    '600 the checker: the check fails',
  ])
})

test('of a flood the beginning and the end are kept', () => {
  const lines = Array.from({ length: 10_000 }, (_, index) =>
    event(index, { type: 'line', stream: 'stdout', text: `line ${index}` }),
  )
  const { entries } = timelineOf({ command: '', events: lines, deeds: [], failedAt: 99_999 })
  expect(entries).toHaveLength(1_001)
  expect(entries.at(-2)?.what).toBe('line 9999')
})

const program = (command: string): Program =>
  ({ command, identity: { dataDir: '.' }, eventsOf: () => [] }) as unknown as Program

test('a claim is about the program whose command it tells, else about the one that was held last', () => {
  const [one, two] = [program('PORT=8000 node a.ts'), program('WORKERS=3 node a.ts')]
  touch(one)
  touch(two)
  const failing = (repeat?: string): Mismatch => {
    const error = new Mismatch({ expected: '', got: '', repeat })
    rememberWitness(error)
    return error
  }
  expect(witnessOf(failing('PORT=8000 node a.ts & sleep 1; curl localhost'))?.program).toBe(one)
  expect(witnessOf(failing())?.program).toBe(two)
})

test('what a claim was about is what it was when it failed, whatever is looked at since', () => {
  const [one, two] = [program('one'), program('two')]
  touch(one)
  const error = new Mismatch({ expected: '', got: '' })
  rememberWitness(error)
  touch(two)
  rememberWitness(error)
  expect(witnessOf(error)?.program).toBe(one)
  expect(witnessOf(new Error('another'))).toBeUndefined()
})

import { expect, test } from 'vitest'
import type { ProgramEvent } from './events.ts'
import { WatchedProcesses, type Vitals } from './watched-processes.ts'

function hearing(...events: readonly Record<string, unknown>[]): WatchedProcesses {
  const processes = new WatchedProcesses()
  for (const [index, event] of events.entries()) {
    processes.hear({ key: 'p1', seq: index + 1, at: index * 100, ...event } as unknown as ProgramEvent)
  }
  return processes
}

const vitals = (pid: number, at: number, requests: number, delayMs = 3): Vitals => ({
  type: 'vitals',
  pid,
  at,
  requests,
  delayMs,
  rssBytes: 50 * 1024 ** 2,
})
const started = { type: 'started', pid: 10 }
const fork = { type: 'fork', pid: 10, worker: 1, workerPid: 11 }
const listening = { type: 'listening', pid: 10, worker: 1, workerPid: 11, port: 8000, address: null }

test('a process without workers is the process, and listens when its server does', () => {
  const processes = hearing(started)
  expect(processes.look(0)[0]).toMatchObject({ role: 'single', state: 'starting', pid: 10 })
  processes.hear({ ...base, type: 'server-listening', pid: 10, serves: true, port: 8000 })
  expect(processes.look(0)).toMatchObject([{ role: 'single', state: 'listening' }])
})

test('a worker starts, listens, drains, disconnects and goes', () => {
  const processes = hearing(started, fork)
  const state = (): string | undefined => processes.look(0)[1]?.state
  expect(state()).toBe('starting')
  processes.hear({ ...base, ...listening } as unknown as ProgramEvent)
  expect(state()).toBe('listening')
  processes.hear({ ...base, type: 'server-closing', pid: 11 })
  expect(state()).toBe('draining')
  processes.hear({ ...base, type: 'disconnect', pid: 10, worker: 1, workerPid: 11 })
  expect(state()).toBe('disconnected')
  processes.hear({ ...base, type: 'exit', pid: 10, worker: 1, workerPid: 11, code: null, signal: 'SIGKILL' })
  expect(processes.look(0)[1]).toMatchObject({ state: 'gone', end: 'killed by SIGKILL' })
  expect([processes.forked, processes.gone]).toEqual([1, 1])
})

test('the rate is that between the last two times that a process told of itself', () => {
  const processes = hearing(started, fork, listening)
  processes.hear(vitals(11, 1_000, 10))
  processes.hear(vitals(11, 1_500, 60, 40))
  expect(processes.look(1_600)[1]).toMatchObject({ requests: 60, requestsPerSecond: 100, delayMs: 40 })
})

test('one that tells nothing any more hangs, unless it still starts', () => {
  const processes = hearing(started, fork)
  processes.hear(vitals(11, 1_000, 0))
  expect(processes.look(9_000)[1]?.silentMs).toBeUndefined()
  processes.hear({ ...base, ...listening } as unknown as ProgramEvent)
  expect(processes.look(9_000)[1]).toMatchObject({ silentMs: 8_000, requestsPerSecond: 0 })
})

test('of very many workers that have gone, the last are remembered', () => {
  const processes = hearing(started)
  for (let worker = 1; worker <= 500; worker += 1) {
    const of = { ...base, pid: 10, worker, workerPid: 1_000 + worker }
    processes.hear({ ...of, type: 'fork' })
    processes.hear({ ...of, type: 'exit', code: 1, signal: null })
  }
  const shown = processes.look(0)
  expect(shown.length).toBeLessThan(110)
  expect(shown.at(-1)?.worker).toBe(500)
  expect(processes.gone).toBe(500)
})

const base = { key: 'p1', seq: 99, at: 500 }

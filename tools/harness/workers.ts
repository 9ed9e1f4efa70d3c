/** What the events of a program say about its workers. */

import type { ProgramEvent } from './events.ts'

export interface Worker {
  /** `cluster.worker.id`. */
  readonly id: number
  readonly pid: number
  readonly state: 'forked' | 'online' | 'listening' | 'disconnected' | 'gone'
  /** Every port that it has come to listen on. */
  readonly ports: readonly number[]
  /** The number of the event that told of its fork. */
  readonly forkedSeq: number
  /** Milliseconds since the epoch. */
  readonly forkedAt: number
  readonly listeningAt: number | undefined
  readonly goneAt: number | undefined
}

/** A worker that was killed, and how far the program's events had come then. */
export interface LostWorker extends Worker {
  readonly lostAfter: number
}

/** Every worker that was ever forked, in the order of their forks. */
export function workersFrom(events: readonly ProgramEvent[]): readonly Worker[] {
  const workers = new Map<number, Worker>()
  for (const event of events) {
    if (event.type === 'fork') {
      workers.set(event.worker, {
        id: event.worker,
        pid: event.workerPid,
        state: 'forked',
        ports: [],
        forkedSeq: event.seq,
        forkedAt: event.at,
        listeningAt: undefined,
        goneAt: undefined,
      })
      continue
    }
    if (event.type === 'server-listening' && event.alone === true) {
      const worker = [...workers.values()].find(({ pid, state }) => pid === event.pid && state !== 'gone')
      // By itself, without the primary: nothing else tells that it listens.
      if (worker !== undefined && worker.state !== 'listening') {
        workers.set(worker.id, {
          ...worker,
          state: 'listening',
          ports: event.port === undefined ? [] : [event.port],
          listeningAt: worker.listeningAt ?? event.at,
        })
      }
      continue
    }
    if (!('workerPid' in event)) continue
    const worker = workers.get(event.worker)
    if (worker === undefined || worker.state === 'gone') continue
    workers.set(event.worker, { ...worker, ...changeBy(event, worker) })
  }
  return [...workers.values()]
}

function changeBy(event: ProgramEvent, worker: Worker): Partial<Worker> {
  switch (event.type) {
    case 'online':
      return worker.state === 'forked' ? { state: 'online' } : {}
    case 'listening':
      return {
        state: 'listening',
        ports: [...worker.ports, event.port],
        listeningAt: worker.listeningAt ?? event.at,
      }
    case 'disconnect':
      return { state: 'disconnected' }
    case 'exit':
      return { state: 'gone', goneAt: event.at }
    default:
      return {}
  }
}

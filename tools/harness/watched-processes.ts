/** The processes of a program that somebody watches: what each is, how it is, and what became of it. */

import type { ProgramEvent } from './events.ts'
import { describeEnding } from './program.ts'
import { workersFrom, type Worker } from './workers.ts'

/** What a process tells of itself, every `VITALS_EVERY_MS`; see `tellVitals` in processes/observer.mjs. */
export interface Vitals {
  readonly type: 'vitals'
  readonly pid: number
  /** Milliseconds since the epoch. */
  readonly at: number
  /** HTTP requests that came to it up to now. */
  readonly requests: number
  /** The longest delay of its event loop since it told last, ms. */
  readonly delayMs: number
  readonly rssBytes: number
}

export const VITALS_EVERY_MS = 500

/** One that has not told how it is for so long has an event loop that does not turn. */
const SILENT_AFTER_MS = 1_500

export interface WatchedProcess {
  readonly pid: number
  readonly role: 'single' | 'primary' | 'worker' | 'child'
  /** `cluster.worker.id` */
  readonly worker: number | undefined
  readonly state: 'starting' | 'listening' | 'draining' | 'disconnected' | 'gone'
  readonly requests: number
  readonly requestsPerSecond: number
  /** undefined while it has told nothing yet. */
  readonly delayMs: number | undefined
  readonly rssBytes: number | undefined
  /** For how long it has told nothing, in ms, when that is longer than it should be. */
  readonly silentMs: number | undefined
  /** Since its fork, or since it went, in ms. */
  readonly sinceMs: number
  /** How it ended: `exit code 1`, `killed by SIGKILL`. */
  readonly end: string | undefined
}

interface Heard {
  readonly first: Vitals
  readonly before: Vitals
  readonly last: Vitals
}

/** Those that went longer ago are forgotten. */
const REMEMBERED = 50

export class WatchedProcesses {
  /** What tells of workers, and nothing else: the program may run for days. */
  #events: ProgramEvent[] = []
  readonly #heard = new Map<number, Heard>()
  readonly #children = new Map<number, number>()
  readonly #serving = new Set<number>()
  readonly #closing = new Set<number>()
  readonly #exits = new Map<number, string>()
  #primary = 0
  #startedAt = 0
  #endedAt: number | undefined
  forked = 0
  gone = 0

  hear(event: ProgramEvent | Vitals): void {
    if (event.type === 'vitals') return this.#hearVitals(event)
    switch (event.type) {
      case 'started':
        this.#primary = event.pid ?? 0
        this.#startedAt = event.at
        return
      case 'ended':
        this.#endedAt = event.at
        this.#exits.set(this.#primary, describeEnding(event))
        return
      case 'hello':
        if (event.worker === null && event.pid !== this.#primary) this.#children.set(event.pid, event.at)
        return
      case 'gone':
        this.#children.delete(event.pid)
        this.#heard.delete(event.pid)
        return
      case 'server-listening':
        if (event.serves) this.#serving.add(event.pid)
        if (event.alone === true) this.#events.push(event)
        return
      case 'server-closing':
        this.#closing.add(event.pid)
        return
      case 'fork':
        this.forked += 1
        this.#events.push(event)
        return
      case 'exit':
        this.gone += 1
        this.#exits.set(event.workerPid, describeEnding(event))
        this.#events.push(event)
        this.#forget()
        return
      case 'online':
      case 'listening':
      case 'disconnect':
        this.#events.push(event)
        return
      default:
    }
  }

  /** The first process, then those that it started, oldest first. @param now ms since the epoch */
  look(now: number): readonly WatchedProcess[] {
    const workers = workersFrom(this.#events)
    const first: WatchedProcess = {
      ...this.#vitalsOf(this.#primary, this.#endedAt === undefined, now),
      pid: this.#primary,
      role: workers.length > 0 || this.forked > 0 ? 'primary' : 'single',
      worker: undefined,
      state: this.#stateOfFirst(workers),
      sinceMs: now - (this.#endedAt ?? this.#startedAt),
      end: this.#exits.get(this.#primary),
    }
    const children = [...this.#children].map(([pid, at]): WatchedProcess => ({
      ...this.#vitalsOf(pid, true, now),
      pid,
      role: 'child',
      worker: undefined,
      state: this.#serving.has(pid) ? 'listening' : 'starting',
      sinceMs: now - at,
      end: undefined,
    }))
    return [first, ...workers.map((worker) => this.#workerOf(worker, now)), ...children]
  }

  #workerOf(worker: Worker, now: number): WatchedProcess {
    // One that still starts has much to do before its loop turns.
    const turns = worker.state === 'listening' || worker.state === 'disconnected'
    return {
      ...this.#vitalsOf(worker.pid, turns, now),
      pid: worker.pid,
      role: 'worker',
      worker: worker.id,
      state: this.#stateOf(worker),
      sinceMs: now - (worker.goneAt ?? worker.forkedAt),
      end: this.#exits.get(worker.pid),
    }
  }

  #stateOf({ state, pid }: Worker): WatchedProcess['state'] {
    if (state === 'forked' || state === 'online') return 'starting'
    return state === 'listening' && this.#closing.has(pid) ? 'draining' : state
  }

  #stateOfFirst(workers: readonly Worker[]): WatchedProcess['state'] {
    if (this.#endedAt !== undefined) return 'gone'
    if (this.#closing.has(this.#primary) && this.#serving.has(this.#primary)) return 'draining'
    const ready = workers.some(({ state }) => state === 'listening')
    return this.#serving.has(this.#primary) || ready ? 'listening' : 'starting'
  }

  #vitalsOf(
    pid: number,
    lives: boolean,
    now: number,
  ): Pick<WatchedProcess, 'requests' | 'requestsPerSecond' | 'delayMs' | 'rssBytes' | 'silentMs'> {
    const heard = this.#heard.get(pid)
    if (heard === undefined) {
      return {
        requests: 0,
        requestsPerSecond: 0,
        delayMs: undefined,
        rssBytes: undefined,
        silentMs: undefined,
      }
    }
    const { first, before, last } = heard
    const silent = now - last.at
    const hangs = lives && silent > SILENT_AFTER_MS
    const seconds = (last.at - before.at) / 1_000
    const rate = seconds > 0 && !hangs && lives ? (last.requests - before.requests) / seconds : 0
    return {
      requests: last.requests,
      requestsPerSecond: rate,
      // What it takes to start is no delay of a loop that turns.
      delayMs: last === first ? 0 : last.delayMs,
      rssBytes: last.rssBytes,
      silentMs: hangs ? silent : undefined,
    }
  }

  #hearVitals(vitals: Vitals): void {
    const heard = this.#heard.get(vitals.pid)
    this.#heard.set(vitals.pid, {
      first: heard?.first ?? vitals,
      before: heard?.last ?? { ...vitals, at: vitals.at - VITALS_EVERY_MS, requests: 0 },
      last: vitals,
    })
  }

  #forget(): void {
    const gone = workersFrom(this.#events).filter(({ state }) => state === 'gone')
    if (gone.length < 2 * REMEMBERED) return
    const old = new Map(gone.slice(0, -REMEMBERED).map(({ id, pid }) => [id, pid]))
    this.#events = this.#events.filter((event) => !('workerPid' in event) || !old.has(event.worker))
    for (const pid of old.values()) {
      for (const kept of [this.#heard, this.#exits, this.#serving, this.#closing]) kept.delete(pid)
    }
  }
}

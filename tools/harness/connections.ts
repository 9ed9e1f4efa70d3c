/** Kept-alive connections, one to each worker, so that a check can choose whom it asks. */

import { keptConnection, type Answer, type NoAnswer, type RequestOptions } from './http.ts'
import { seconds } from './patience.ts'
import { Mismatch } from './problems.ts'
import type { Program } from './program.ts'
import type { Worker } from './workers.ts'

type Kept = ReturnType<typeof keptConnection>
type Whom = Pick<Worker, 'pid'>

/** Renders, so that the workers are busy: on an idle machine nobody promises who gets a connection. */
const PATH = '/render?visitor=whoever'

/**
 * Opens connections until one to each worker that listens is there. A Mismatch when that does not happen within 10 s,
 * or when the program does not keep connections.
 */
export async function connectToEveryWorker(program: Program, read: string): Promise<Connections> {
  const connections = new Connections(program, read)
  try {
    await connections.meet(program.listening)
  } catch (error) {
    connections[Symbol.dispose]()
    throw error
  }
  return connections
}

export class Connections implements Disposable {
  readonly #program: Program
  readonly #read: string
  readonly #byPid = new Map<number, Kept>()

  constructor(program: Program, read: string) {
    this.#program = program
    this.#read = read
  }

  /** The connection to this worker, for a request that is to be sent once and no more. */
  agentOf({ pid }: Whom): Kept['agent'] {
    const kept = this.#byPid.get(pid)
    if (kept === undefined) throw new Error(`no connection to the worker ${pid}`)
    return kept.agent
  }

  /**
   * Asks this worker, and nobody else. A server closes a connection that has been idle for some seconds (5 by
   * default): then this worker is met again, and asked again.
   */
  async ask(worker: Whom, path: string, options: RequestOptions = {}): Promise<Answer | NoAnswer> {
    for (let tries = 1; ; tries += 1) {
      const answer = await this.#program.fetch(path, { ...options, agent: this.agentOf(worker) })
      const byIt = answer.ok && answer.servedBy?.pid === worker.pid
      const lost = answer.ok ? !byIt : answer.code !== 'timeout'
      if (!lost || tries === 3 || !this.#lives(worker)) return answer
      this.#byPid.get(worker.pid)?.[Symbol.dispose]()
      this.#byPid.delete(worker.pid)
      await this.meet([worker])
    }
  }

  /** Sees to it that there is a connection to each of these. */
  async meet(workers: readonly Whom[]): Promise<void> {
    const missing = (): readonly Whom[] => workers.filter(({ pid }) => !this.#byPid.has(pid))
    const all = await this.#program.eventually(
      async () => {
        await Promise.all(missing().flatMap(() => [this.#open(), this.#open(), this.#open()]))
        return missing().length === 0 || undefined
      },
      { within: seconds(10), every: 10 },
    )
    if (all === true) return
    await this.#program.mustBeAlive()
    throw new Mismatch({
      expected: `each of the ${this.#program.listening.length} workers answers /render, within 10 s`,
      got: `${this.#byPid.size} of them did`,
      likely: 'a worker listens, but gets no connections, or its event loop is blocked',
      read: this.#read,
      repeat: this.#program.command,
    })
  }

  async #open(): Promise<void> {
    const kept = keptConnection()
    const answer = await this.#program.fetch(PATH, { agent: kept.agent, within: seconds(5) })
    const pid = answer.ok ? answer.servedBy?.pid : undefined
    if (answer.ok && answer.headers.connection === 'close') {
      kept[Symbol.dispose]()
      throw new Mismatch({
        expected: 'a client may keep its connection for the next request',
        got: 'the server answered with connection: close',
        likely: 'a header or a timeout of 0 turns keep-alive off, which is on by default',
        read: 'the-contract',
        repeat: this.#program.commandWith('/render?visitor=whoever'),
      })
    }
    if (pid === undefined || this.#byPid.has(pid)) kept[Symbol.dispose]()
    else this.#byPid.set(pid, kept)
  }

  #lives({ pid }: Whom): boolean {
    return this.#program.workers.some((worker) => worker.pid === pid && worker.state !== 'gone')
  }

  [Symbol.dispose](): void {
    for (const kept of this.#byPid.values()) kept[Symbol.dispose]()
    this.#byPid.clear()
  }
}

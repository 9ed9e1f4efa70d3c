/** Requests that a worker has begun and not yet answered, so that a check can see what becomes of them. */

import { keepAsking, openRequest, type OpenRequest } from './clients.ts'
import { watchRequests } from './faults.ts'
import { keptConnection } from './http.ts'
import { patientNow, seconds } from './patience.ts'
import { Mismatch } from './problems.ts'
import type { Program } from './program.ts'
import type { Worker } from './workers.ts'

type Whom = Pick<Worker, 'pid'>

/** Requests of one path that certain workers have begun. Disposal goes away from those that are not over. */
export class InFlight implements Disposable {
  readonly #byPid: ReadonlyMap<number, OpenRequest>
  readonly #clients: readonly Disposable[]

  constructor(byPid: ReadonlyMap<number, OpenRequest>, clients: readonly Disposable[]) {
    this.#byPid = byPid
    this.#clients = clients
  }

  /** The one that this worker has begun. */
  of({ pid }: Whom): OpenRequest {
    const request = this.#byPid.get(pid)
    if (request === undefined) throw new Error(`no request is in flight on the worker ${pid}`)
    return request
  }

  /** Each of these workers answers the one that it has begun; a Mismatch where it does not. */
  async areAnswered(
    program: Program,
    workers: readonly Worker[],
    { because, read }: { readonly because: string; readonly read: string },
  ): Promise<void> {
    await Promise.all(workers.map((worker) => this.of(worker).untilOver(seconds(20))))
    for (const worker of workers) {
      const { head, over, failure, text } = this.of(worker)
      if (over && head?.status === 200) continue
      await program.mustBeAlive()
      throw new Mismatch({
        expected: `worker ${worker.id} answers the request that it has begun: ${because}`,
        got: over
          ? `it answered ${head?.status} ${text.slice(0, 80)}`.trim()
          : failure === undefined
            ? 'no answer in 20 s'
            : `the connection was cut (${failure})`,
        likely:
          'worker.kill(), a signal and process.exit() cut what is in flight; worker.disconnect() lets it end',
        read,
        repeat: program.command,
      })
    }
  }

  [Symbol.dispose](): void {
    for (const client of this.#clients) client[Symbol.dispose]()
  }
}

/**
 * Asks for `path`, which has to have a query, until each of these workers has begun to serve it, beside clients that
 * keep the workers busy: on an idle machine nobody promises who gets a connection. With `keepAlive` the clients keep
 * their connections after the answer, as browsers and proxies do.
 */
export async function beginOnEach(
  program: Program,
  workers: readonly Whom[],
  path: string,
  { read, keepAlive = false }: { readonly read: string; readonly keepAlive?: boolean },
): Promise<InFlight> {
  // All that listen are watched: a request that another worker got is known at once, and not waited for.
  const watched = new Set([...workers, ...program.listening].map(({ pid }) => pid))
  await Promise.all([...watched].map((pid) => watchRequests(program, { pid })))
  const since = program.lastSeq
  const clients: Disposable[] = []
  const open = new Map<string, OpenRequest>()
  const byPid = new Map<number, OpenRequest>()
  let nth = 0
  const ask = (): void => {
    nth += 1
    const url = `${path}&nth=${nth}`
    const kept = keepAlive ? keptConnection() : undefined
    const request = openRequest(program.port, url, kept && { agent: kept.agent }).end()
    open.set(url, request)
    clients.push(request, ...(kept ? [kept] : []))
  }
  const isMissing = (pid: number): boolean => !byPid.has(pid) && workers.some((worker) => worker.pid === pid)
  const sort = (): void => {
    for (const { seq, url, pid } of program.eventsOf('request')) {
      const request = seq > since ? open.get(url) : undefined
      if (request === undefined) continue
      open.delete(url)
      if (isMissing(pid)) byPid.set(pid, request)
      else request[Symbol.dispose]()
    }
  }
  const busy = keepAsking(program.port, '/render?visitor=whoever', { clients: watched.size })
  let askedAt = -Infinity
  const all = await program.eventually(
    async () => {
      sort()
      if (workers.every(({ pid }) => byPid.has(pid))) return true
      // One more at a time than there are workers, so that turns never fall in step with those of the busy clients.
      if (open.size === 0 || patientNow() - askedAt > 1_000) {
        askedAt = patientNow()
        for (let more = 0; more <= watched.size; more += 1) ask()
      }
      return undefined
    },
    { within: seconds(10), every: 10 },
  )
  for (const request of open.values()) request[Symbol.dispose]()
  await busy.stop()
  const inFlight = new InFlight(byPid, clients)
  if (all === true) return inFlight
  inFlight[Symbol.dispose]()
  await program.mustBeAlive()
  throw new Mismatch({
    expected: `each of the ${workers.length} workers gets a request of ${path}, within 10 s`,
    got: `${byPid.size} of them did`,
    likely: 'a worker listens, but gets no connections, or its event loop is blocked',
    read,
    repeat: program.command,
  })
}

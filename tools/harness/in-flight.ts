/** Requests that a worker has begun and not yet answered, so that a check can see what becomes of them. */

import { keepAsking, openRequest, type OpenRequest } from './clients.ts'
import { watchRequests } from './faults.ts'
import { keptConnection } from './http.ts'
import { seconds } from './patience.ts'
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
  await Promise.all(workers.map((worker) => watchRequests(program, worker)))
  const since = program.events.at(-1)?.seq ?? 0
  const clients: Disposable[] = []
  const byPid = new Map<number, OpenRequest>()
  const open = (): Promise<void> => {
    const url = `${path}&nth=${clients.length}`
    const kept = keepAlive ? keptConnection() : undefined
    const request = openRequest(program.port, url, kept && { agent: kept.agent }).end()
    clients.push(request, ...(kept ? [kept] : []))
    return arrived(url, request)
  }
  const arrived = async (url: string, request: OpenRequest): Promise<void> => {
    const event = await program.until(
      () => program.eventsOf('request').find((event) => event.seq > since && event.url === url),
      { within: seconds(5) },
    )
    if (event === undefined) return
    if (byPid.has(event.pid) || !workers.some(({ pid }) => pid === event.pid)) request[Symbol.dispose]()
    else byPid.set(event.pid, request)
  }
  const busy = keepAsking(program.port, '/render?visitor=whoever', { clients: workers.length })
  const all = await program.eventually(
    async () => {
      // One for each worker that listens, whoever is missing: turn by turn, a single one could miss it each time.
      if (byPid.size < workers.length) await Promise.all(program.listening.map(open))
      return workers.every(({ pid }) => byPid.has(pid)) || undefined
    },
    { within: seconds(10), every: 1 },
  )
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

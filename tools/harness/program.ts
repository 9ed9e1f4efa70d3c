/** A program under check: what it does, as seen from outside, and the gestures that a check makes at it. */

import { existsSync } from 'node:fs'
import { Deeds, followRequests, unfollowRequests } from './deeds.ts'
import type { EventOf, ProgramEvent } from './events.ts'
import type { Gauged } from './gauge.ts'
import {
  describeFailure,
  fetchFrom,
  jsonOf,
  type Answer,
  type NoAnswer,
  type RequestOptions,
} from './http.ts'
import type { Keeper } from './keeper.ts'
import { patientNow, until } from './patience.ts'
import type { StartOptions } from './plans.ts'
import { Cancelled, EnvironmentProblem, Mismatch, type Finding } from './problems.ts'
import { takenBetween, type Usage } from './usage.ts'
import { workersFrom, type LostWorker, type Worker } from './workers.ts'

export interface Identity {
  readonly key: string
  readonly port: number
  /** What the program gets as ADMIN_PORT. */
  readonly adminPort: number
  /** What it gets as DATA_DIR. */
  readonly dataDir: string
  readonly pid: number
  readonly file: string
  readonly options: StartOptions
  /** A shell command that starts it again. */
  readonly command: string
}

export interface ProcessEntry {
  readonly pid: number
  readonly command: string
  /** The letter that `ps` shows: `T` for one that is stopped. */
  readonly state: string
}

export interface Ending {
  readonly code: number | null
  readonly signal: string | null
}

export class Program implements AsyncDisposable {
  readonly identity: Identity
  readonly #keeper: Keeper
  readonly #events: ProgramEvent[] = []
  /** The same by their type: a program may print much, and every wait looks again at each event. */
  readonly #byType = new Map<string, ProgramEvent[]>()
  /** All but what it prints. */
  readonly #seen: ProgramEvent[] = []
  readonly #watchers = new Set<() => void>()
  readonly #stopListening: () => void
  readonly #release: (program: Program) => Promise<void>
  #nextId = 0
  /** Whether a fault or a signal has touched it, so that no other check may meet it. */
  harmed = false
  /** What checks have done to it. */
  readonly deeds = new Deeds()

  private constructor(keeper: Keeper, identity: Identity, release: (program: Program) => Promise<void>) {
    this.#keeper = keeper
    this.identity = identity
    this.#release = release
    followRequests(this.deeds, identity)
    this.#stopListening = keeper.listen(identity.key, (event) => this.#hear(event))
  }

  /** Takes hold of a program that the keeper has started, with all that has happened since. */
  static async hold(
    keeper: Keeper,
    identity: Identity,
    release: (program: Program) => Promise<void>,
  ): Promise<Program> {
    const program = new Program(keeper, identity, release)
    const { events } = await keeper.request<{ events: readonly ProgramEvent[] }>({
      do: 'history',
      key: identity.key,
    })
    const since = program.#events.splice(0)
    const last = events.at(-1)?.seq ?? 0
    program.#byType.clear()
    program.#seen.splice(0)
    for (const event of [...events, ...since.filter((event) => event.seq > last)]) program.#keep(event)
    program.#wake()
    return program
  }

  get port(): number {
    return this.identity.port
  }

  /** The first process: the primary, or the only one. */
  get pid(): number {
    return this.identity.pid
  }

  get command(): string {
    return this.identity.command
  }

  get events(): readonly ProgramEvent[] {
    return this.#events
  }

  /** Of the last event: what comes from now on has a greater one. 0 before the first. */
  get lastSeq(): number {
    return this.#events.at(-1)?.seq ?? 0
  }

  /** How many events there are beside what it printed. */
  get happenings(): number {
    return this.#seen.length
  }

  eventsOf<Type extends ProgramEvent['type']>(type: Type): readonly EventOf<Type>[] {
    return (this.#byType.get(type) ?? []) as EventOf<Type>[]
  }

  /** Every worker that was ever forked. */
  get workers(): readonly Worker[] {
    return workersFrom(this.#seen)
  }

  get listening(): readonly Worker[] {
    return this.workers.filter((worker) => worker.state === 'listening')
  }

  /** So many workers that listen now, the one that was forked first before the others; a Mismatch where there are fewer. */
  atLeast(count: 1): readonly [Worker, ...Worker[]]
  atLeast(count: 2): readonly [Worker, Worker, ...Worker[]]
  atLeast(count: 3): readonly [Worker, Worker, Worker, ...Worker[]]
  atLeast(count: number): readonly Worker[] {
    const listening = this.listening.toSorted((a, b) => a.forkedSeq - b.forkedSeq)
    if (listening.length >= count) return listening
    this.#refuseToWaitForTheDead()
    const gone = this.workers.filter(({ state }) => state === 'gone').length
    throw new Mismatch({
      expected: count === 1 ? 'a worker listens' : `${count} workers listen`,
      got: `${listening.length === 0 ? 'none does' : `${listening.length} does`}: of ${this.workers.length} that were forked ${gone} are gone`,
      likely: 'workers end by themselves, or stop to listen',
      read: 'the-contract',
      repeat: this.command,
    })
  }

  get ended(): Ending | undefined {
    const ended = this.eventsOf('ended')[0]
    return ended && { code: ended.code, signal: ended.signal }
  }

  lines(stream: 'stdout' | 'stderr'): readonly string[] {
    return this.eventsOf('line').flatMap((line) => (line.stream === stream ? [line.text] : []))
  }

  /** The last lines of both streams, for messages. */
  lastWords(count = 4): string {
    const lines = this.eventsOf('line').map((line) => line.text.trim())
    const error = lines.findIndex((line) => /^(\w*Error|Error)\b.*: |^Error:/.test(line))
    const told = lines.filter((line) => line !== '')
    return (error >= 0 ? [lines[error] ?? ''] : told.slice(-count)).join(' | ').slice(0, 400)
  }

  fetch(path: string, options: RequestOptions = {}): Promise<Answer | NoAnswer> {
    return fetchFrom(this.port, path, options)
  }

  /** Asks the admin interface. */
  admin(path: string, options: RequestOptions = {}): Promise<Answer | NoAnswer> {
    return fetchFrom(this.identity.adminPort, path, options)
  }

  /** An answer with this status, or a Mismatch that says what came. `admin`: of the admin interface. */
  async get(
    path: string,
    options: RequestOptions & Partial<Finding> & { status?: number; admin?: boolean } = {},
  ): Promise<Answer> {
    const { status = 200, admin = false, likely, read, expected, repeat } = options
    const answer = await (admin ? this.admin(path, options) : this.fetch(path, options))
    if (answer.ok && answer.status === status) return answer
    await this.mustBeAlive()
    const method = options.method ?? 'GET'
    throw new Mismatch({
      expected: expected ?? `${method} ${path} answers ${status}`,
      got: answer.ok
        ? `it answered ${answer.status} ${answer.text.slice(0, 120)}`.trim()
        : this.#withoutAnswer(answer),
      likely,
      read,
      repeat: repeat ?? this.commandWith(path, method, admin ? '9000' : '8000'),
    })
  }

  /** The JSON object that this request is answered with. */
  async getJson(
    path: string,
    options: RequestOptions & Partial<Finding> & { status?: number; admin?: boolean } = {},
  ): Promise<Readonly<Record<string, unknown>>> {
    const answer = await this.get(path, options)
    const body = jsonOf(answer)
    if (body !== undefined) return body
    throw new Mismatch({
      expected: `GET ${path} answers a JSON object`,
      got: answer.text === '' ? 'an empty answer' : answer.text.slice(0, 120),
      read: 'the-contract',
      repeat: this.commandWith(path),
      ...options,
    })
  }

  #withoutAnswer(answer: NoAnswer): string {
    if (answer.code === 'timeout' && answer.head === undefined) return 'no answer in time: the request hangs'
    if (answer.code === 'ECONNRESET') return 'the connection was cut before an answer came'
    if (answer.code === 'ECONNREFUSED') return 'nothing listens on PORT any more'
    return describeFailure(answer)
  }

  commandWith(path: string, method = 'GET', port = '8000'): string {
    return `${this.command} & sleep 1; curl -si${method === 'GET' ? '' : ` -X ${method}`} 'localhost:${port}${path}'; kill %1`
  }

  /**
   * Looks again and again, with requests or otherwise, until something is found; undefined when the time is over, even
   * counted with what this machine took from the program. Each look has to be bounded by itself.
   */
  async eventually<Found>(
    look: () => Promise<Found | undefined>,
    { within, every = 25 }: { readonly within: number; readonly every?: number },
  ): Promise<Found | undefined> {
    const before = await this.usage()
    const start = patientNow()
    let length = within
    for (;;) {
      const begun = patientNow()
      const found = await look()
      if (found !== undefined) return found
      // A look that began in time counts; the last one begins when the time is just over.
      if (begun - start >= length) {
        const taken = Math.min(within + takenBetween(before, await this.usage()), within * 4)
        if (taken <= length || begun - start >= taken) return undefined
        length = taken
      }
      await until(() => undefined, { within: every })
    }
  }

  /**
   * Waits until `look` finds something; undefined when the time is over, even counted with what this machine made
   * the program wait for a core. With `alive` (default) a program that ends meanwhile is a Mismatch.
   */
  async until<Found>(
    look: () => Found | undefined,
    { within, alive = true }: { readonly within: number; readonly alive?: boolean },
  ): Promise<Found | undefined> {
    const lookAlive = (): Found | undefined => {
      const found = look()
      if (found === undefined) {
        if (alive) this.#refuseToWaitForTheDead()
        else this.#refuseExcess()
      }
      return found
    }
    const before = this.usage()
    before.catch(() => {})
    return until(lookAlive, {
      within,
      taken: async () => takenBetween(await before, await this.usage()),
      wake: (again) => {
        this.#watchers.add(again)
        return () => this.#watchers.delete(again)
      },
    })
  }

  async usage(): Promise<Usage> {
    return this.#keeper.request<Usage>({ do: 'usage', key: this.identity.key })
  }

  /** Has each process gauge its core at every request from now on (or no more); what came of it since the last time. */
  async gauge(on: boolean): Promise<readonly Gauged[]> {
    const { processes } = await this.#keeper.request<{ processes: readonly Gauged[] }>({
      do: 'gauge',
      key: this.identity.key,
      on,
    })
    return processes
  }

  /** Throws a Mismatch with its last words when the program has ended, or is just about to. */
  async mustBeAlive(): Promise<void> {
    await this.until(() => this.ended, { within: 50, alive: false })
    this.#refuseToWaitForTheDead()
  }

  #refuseToWaitForTheDead(): void {
    this.#refuseExcess()
    const notStarted = this.eventsOf('not-started')[0]
    if (notStarted !== undefined) {
      const why = `the program could not be started: ${notStarted.message}`
      if (!/\b(EAGAIN|EMFILE|ENFILE|ENOMEM)\b/.test(why)) throw new Error(why)
      throw new EnvironmentProblem(`${why}.`, 'Close other programs, and see what `npm run doctor` says.')
    }
    const { ended } = this
    if (ended === undefined) return
    if (!existsSync(this.identity.file)) throw new Mismatch({ ...FILE_GONE, repeat: this.command })
    const words = this.lastWords()
    throw new Mismatch({
      expected: 'the program keeps running',
      got: `it ended by itself (${describeEnding(ended)})${words === '' ? ' without a word' : `: ${words}`}`,
      likely: likelyEnd(this.eventsOf('line').map((line) => line.text)),
      read: 'the-contract',
      repeat: this.command,
    })
  }

  #refuseExcess(): void {
    this.refuseHarmToKeeper()
    if (this.#keeper.gone) throw new Cancelled('the keeper has gone')
    const limit = this.eventsOf('limit')[0]
    if (limit === undefined) return
    throw new Mismatch({ ...excess[limit.limit](limit.value), read: 'the-contract', repeat: this.command })
  }

  /** Throws a Mismatch where it has killed or stopped the process that keeps it, of which then nothing is heard. */
  refuseHarmToKeeper(): void {
    const harm = this.eventsOf('keeper-harmed')[0]
    if (harm === undefined) return
    // It would answer no more, and nobody has to wait for that.
    this.#keeper[Symbol.dispose]()
    throw new Mismatch({
      expected: 'the program leaves the processes alone that it did not start',
      got: `it sent ${harm.signal} to the process that started it`,
      likely: 'process.ppid names the parent: of a worker the primary, of the primary whoever started it',
      read: 'the-contract',
      repeat: this.command,
    })
  }

  signal(signal: NodeJS.Signals, pid: number | 'group' = this.pid): Promise<unknown> {
    this.harmed = true
    this.deeds.add({ type: 'signal', signal, pid })
    return this.#keeper.request({ do: 'signal', key: this.identity.key, pid, signal })
  }

  /** SIGKILL to this worker or to the first one that listens; resolves to it. */
  async killOneWorker(worker: Worker = this.atLeast(1)[0]): Promise<LostWorker> {
    return this.#lose(worker, (pid) => this.signal('SIGKILL', pid))
  }

  /** Waits until the primary has seen the end of this worker; with `alive` a program that ends is a Mismatch. */
  async untilGone({ id }: Pick<Worker, 'id'>, { alive = true } = {}): Promise<void> {
    const isGone = (): true | undefined =>
      this.workers.some((one) => one.id === id && one.state === 'gone') || undefined
    await this.until(() => isGone() ?? (alive ? undefined : this.ended), { within: 5_000, alive })
  }

  /** Ports on which the first process has opened a server of its own, beside what it opens for its workers. */
  portsOfPrimary(): readonly number[] {
    return this.eventsOf('server-listening').flatMap(({ pid, serves, port }) =>
      pid === this.pid && serves && port !== undefined ? [port] : [],
    )
  }

  /** Ends one worker from inside with `process.exit(code)`. */
  async exitOneWorker(code: number, worker: Worker = this.atLeast(1)[0]): Promise<LostWorker> {
    return this.#lose(worker, (pid) => this.tell(pid, { do: 'exit', code }))
  }

  /** Ends a worker in this way; what comes after is what the program makes of it. */
  async #lose(worker: Worker, end: (pid: number) => Promise<unknown>): Promise<LostWorker> {
    this.harmed = true
    const lostAfter = this.lastSeq
    await end(worker.pid)
    return { ...worker, lostAfter }
  }

  /** Waits until the worker whose listen is held (`holdListen`) asks to listen. */
  async heldWorker(): Promise<EventOf<'listen-held'> | undefined> {
    return this.until(() => this.eventsOf('listen-held')[0], { within: 10_000 })
  }

  /** Lets the held worker listen. */
  async releaseListen(): Promise<void> {
    this.harmed = true
    await Promise.all(this.eventsOf('listen-held').map(({ pid }) => this.tell(pid, { do: 'release' })))
  }

  /** Lets workers listen, also those that come to it meanwhile, until this holds; undefined when the time is over. */
  async releaseListenUntil(
    holds: () => boolean,
    options: { readonly within: number; readonly every?: number },
  ): Promise<true | undefined> {
    return this.eventually(async () => {
      await this.releaseListen()
      return holds() || undefined
    }, options)
  }

  /**
   * Whether nothing more will come of it by itself: no process of it has a timer, a file, or a connection to wait
   * for. Servers, and what connects its processes, only answer. False for one that does not tell.
   */
  async waitsForNothing(): Promise<boolean> {
    const { processes } = await this.#keeper.request<{
      processes: readonly { readonly pid: number; readonly types?: readonly string[] }[]
    }>({ do: 'resources', key: this.identity.key })
    return processes.every(({ pid, types }) => {
      const others = types?.filter((type) => !ONLY_ANSWERS.test(type))
      // In a worker, what stands for a port is a timer that never comes (lib/internal/cluster/child.js, `rr`).
      const listens = this.eventsOf('server-listening').filter(
        (event) => event.pid === pid && pid !== this.pid,
      )
      return others?.every((type) => type === 'Timeout') === true && others.length <= listens.length
    })
  }

  /** Waits until each of its processes has answered, so that those that have died by now are known to have gone. */
  async rollCall(): Promise<void> {
    await this.#keeper.request({ do: 'resources', key: this.identity.key })
  }

  /** Waits until nothing has happened in it for so long, beside what it prints. */
  async quiet(ms: number): Promise<void> {
    let seen = -1
    let since = patientNow()
    const look = (): true | undefined => {
      if (this.#seen.length !== seen) {
        seen = this.#seen.length
        since = patientNow()
      }
      return patientNow() - since >= ms ? true : undefined
    }
    await until(look, { within: ms + 5_000 })
  }

  /** Blocks the event loop of one process for so many ms. */
  block(ms: number, pid = this.pid): Promise<unknown> {
    return this.tell(pid, { do: 'block', ms })
  }

  /** The environment and command line that a process has. */
  environment(pid: number): Promise<EventOf<'environment'> | undefined> {
    return this.ask(pid, 'environment', 'environment')
  }

  /** Commands the observer in one process and waits for the event of this type with which it answers. */
  async ask<Type extends 'environment' | 'heap' | 'obeyed'>(
    pid: number,
    what: string,
    answer: Type,
    more: Record<string, unknown> = {},
  ): Promise<EventOf<Type> | undefined> {
    this.#nextId += 1
    const id = this.#nextId
    await this.tell(pid, { do: what, id, ...more })
    const answers = (): EventOf<Type> | undefined =>
      this.eventsOf(answer).find((event) => (event as { readonly id?: number }).id === id)
    return this.until(answers, { within: 5_000 })
  }

  /** Commands the observer in one process; see `obey` in processes/observer.mjs. */
  tell(pid: number, command: Record<string, unknown>): Promise<unknown> {
    this.deeds.add({ type: 'command', pid, command })
    return this.#keeper.request({ do: 'tell', key: this.identity.key, pid, command })
  }

  write(text: string): Promise<unknown> {
    return this.#keeper.request({ do: 'write', key: this.identity.key, text })
  }

  /** The live processes of the program, from the process table. */
  async processes(): Promise<readonly ProcessEntry[]> {
    const request = { do: 'processes', key: this.identity.key }
    const reply = await this.#keeper.request<{ processes: readonly ProcessEntry[] }>(request)
    return reply.processes
  }

  /** Whether the event loop of this process turns: it answers within half a second. */
  async answers(pid = this.pid): Promise<boolean> {
    const { processes } = await this.#keeper.request<{
      processes: readonly { readonly pid: number; readonly types?: readonly string[] }[]
    }>({ do: 'resources', key: this.identity.key })
    return processes.some((one) => one.pid === pid && one.types !== undefined)
  }

  /** Kills every process of it. Without a keeper there is none left that can be asked to: it goes with it. */
  async end(): Promise<void> {
    this.#stopListening()
    unfollowRequests(this.deeds)
    if (this.#keeper.gone) return
    await this.#keeper.request({ do: 'end', key: this.identity.key })
  }

  /** The end of the check that held it: another check may go on with it if it is unharmed. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#release(this)
  }

  #hear(event: ProgramEvent): void {
    this.#keep(event)
    // Whatever waits for the keeper waits in vain.
    if (event.type === 'keeper-harmed') this.#keeper[Symbol.dispose]()
    this.#wake()
  }

  #keep(event: ProgramEvent): void {
    this.#events.push(event)
    const alike = this.#byType.get(event.type)
    if (alike === undefined) this.#byType.set(event.type, [event])
    else alike.push(event)
    if (event.type !== 'line') this.#seen.push(event)
  }

  #wake(): void {
    for (const watcher of this.#watchers) watcher()
  }
}

/** Names of resources, as in `process.getActiveResourcesInfo()`. */
const ONLY_ANSWERS = /^(TCPServerWrap|PipeServerWrap|PipeWrap|Pipe|ProcessWrap|TTYWrap|SignalWrap)$/

export const FILE_GONE: Finding = {
  expected: 'the file can be started again and again',
  got: 'the file is not there any more',
  likely: 'the program deletes or renames its own file, or somebody else did while it was checked',
  read: 'the-contract',
}

export function describeEnding({ code, signal }: Ending): string {
  return signal === null ? `exit code ${code}` : `killed by ${signal}`
}

function likelyEnd(lines: readonly string[]): string | undefined {
  const text = lines.join('\n')
  if (/EADDRINUSE/.test(text)) return 'it listens twice on the same port, or on another port than PORT'
  if (/ERR_MODULE_NOT_FOUND/.test(text)) return 'an import names a file or a package that is not there'
  if (/Transform failed|SyntaxError/.test(text)) return 'the file does not parse: the message names the line'
  if (text.trim() === '') return 'nothing keeps it alive: it neither listens nor has workers'
  return undefined
}

const mebibytes = (bytes: number): string => `${Math.round(bytes / 1024 ** 2)} MiB`

const excess: Record<EventOf<'limit'>['limit'], (value: number) => Finding> = {
  processes: (value) => ({
    expected: 'the primary and its workers, and no process more',
    got: `it started more than ${value - 1} processes, so it was stopped: a fork bomb`,
    likely: 'a process that was forked runs the same file and forks again: only the primary may fork',
  }),
  memory: (value) => ({
    expected: 'processes of ordinary size',
    got: `one process took ${mebibytes(value)} of memory, so the program was stopped`,
    likely: 'something grows without end: an array that is never emptied, or a loop that allocates',
  }),
  output: (value) => ({
    expected: 'as much output as one can read',
    got: `it printed more than ${mebibytes(value)}, so it was stopped`,
    likely: 'a loop prints: look for a log line in a listener that calls itself',
  }),
}

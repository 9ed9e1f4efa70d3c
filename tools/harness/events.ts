/** What the keeper tells of a program: what it printed, and what the observers inside it saw. */

interface Seen {
  /** The program. */
  readonly key: string
  /** Counts the events of a program, from 1. */
  readonly seq: number
  /** Milliseconds since the epoch. */
  readonly at: number
}

/** Reported from inside one process. */
interface Observed extends Seen {
  readonly pid: number
}

/** Reported from a primary about one of its workers. */
interface OfWorker extends Observed {
  readonly worker: number
  readonly workerPid: number
}

/** An event for each of these types, that `EventOf` can tell apart. */
type Each<Type extends string, Event> = Type extends Type ? Event & { readonly type: Type } : never

export type ProgramEvent =
  | (Seen & { readonly type: 'started'; readonly pid: number | null })
  | (Seen & { readonly type: 'not-started'; readonly message: string })
  /** The first process has ended; `closed` follows when nothing holds its output any more. */
  | (Seen & { readonly type: 'ended'; readonly code: number | null; readonly signal: string | null })
  | (Seen & { readonly type: 'closed' })
  | (Seen & { readonly type: 'line'; readonly stream: 'stdout' | 'stderr'; readonly text: string })
  | (Seen & {
      readonly type: 'limit'
      readonly limit: 'processes' | 'memory' | 'output'
      readonly value: number
    })
  /** This process is about to send such a signal to its keeper, which will be heard of no more. */
  | (Observed & { readonly type: 'keeper-harmed'; readonly signal: string })
  /** A process has loaded its observer, or its connection has gone. */
  | (Observed & { readonly type: 'hello'; readonly ppid: number; readonly worker: number | null })
  | (Observed & { readonly type: 'gone' })
  | Each<'fork' | 'online' | 'disconnect', OfWorker>
  | (OfWorker & { readonly type: 'listening'; readonly port: number; readonly address: string | null })
  | (OfWorker & { readonly type: 'exit'; readonly code: number | null; readonly signal: string | null })
  /** `server-closing`: a server that listened was told to stop; `server-closed`: its last connection has ended, too. */
  | Each<'spawning' | 'thread' | 'server-closing' | 'server-closed', Observed>
  | (Observed & { readonly type: 'spawned'; readonly childPid: number | null; readonly file: string })
  /**
   * `serves`: it has listeners of the program's own, unlike the bare server of cluster's round robin. `alone`: of a
   * worker that opened the socket itself (`exclusive`), of which the primary is told nothing.
   */
  | (Observed & {
      readonly type: 'server-listening'
      readonly port?: number
      readonly address?: string
      readonly path?: string
      readonly serves: boolean
      readonly alone?: boolean
    })
  | (Observed & { readonly type: 'server-error'; readonly code: string | null; readonly port: number | null })
  | (Observed & { readonly type: 'listen-held'; readonly worker?: number; readonly port?: number })
  /** A request that arrived in a process whose requests are watched, and how its answer ended. */
  | (Observed & {
      readonly type: 'request'
      readonly id: number
      readonly method: string
      readonly url: string
      readonly rawHeaders: readonly string[]
    })
  | (Observed & { readonly type: 'request-closed'; readonly id: number; readonly finished: boolean })
  | (Observed & { readonly type: 'obeyed'; readonly id: number })
  /** After a forced collection, bytes. */
  | (Observed & {
      readonly type: 'heap'
      readonly id: number
      readonly heapUsed: number
      readonly rss: number
      readonly external: number
      readonly arrayBuffers: number
    })
  | (Observed & { readonly type: 'messages'; readonly sent: number; readonly sentBytes: number })
  /** Of `recordMessages`: a message that this process sent over IPC, to this child of it or (null) to its parent. */
  | (Observed & { readonly type: 'message'; readonly to: number | null; readonly json: string })
  /** One has come to the primary, from the worker with this pid; with `recordMessages`. */
  | (Observed & { readonly type: 'heard'; readonly from: number })
  /** Of `recordMessages`: what a process got that this one started; `env` as `NAME=value`. */
  | (Observed & {
      readonly type: 'given'
      readonly childPid: number
      readonly file: string
      readonly args: readonly string[]
      readonly env: readonly string[]
    })
  /** A message has arrived in a process whose messages are held. */
  | (Observed & { readonly type: 'message-held' })
  | (Observed & {
      readonly type: 'environment'
      readonly id: number
      readonly env: Readonly<Record<string, string>>
      readonly argv: readonly string[]
      readonly execArgv: readonly string[]
    })

export type EventOf<Type extends ProgramEvent['type']> = Extract<ProgramEvent, { readonly type: Type }>

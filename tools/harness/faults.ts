/** Faults that a check brings upon one process of a program, in the domain's words. Each marks the program as harmed. */

import type { EventOf } from './events.ts'
import type { Program } from './program.ts'
import type { Worker } from './workers.ts'

/** Any process of a program: a worker, or its primary as `{ pid: program.pid }`. */
export type Target = Pick<Worker, 'pid'>

/** What the faults need of a program that are applied without waiting for anything. */
export type Harmable = Pick<Program, 'harmed' | 'tell'>

/** An exception that nobody catches, from a turn of the event loop of its own. */
export async function crash(program: Harmable, { pid }: Target): Promise<void> {
  program.harmed = true
  await program.tell(pid, { do: 'throw' })
}

/** A promise that is rejected and that nobody handles. */
export async function reject(program: Program, { pid }: Target): Promise<void> {
  program.harmed = true
  await program.tell(pid, { do: 'reject' })
}

/** Its event loop turns no more, for good. */
export async function hang(program: Harmable, { pid }: Target): Promise<void> {
  program.harmed = true
  await program.tell(pid, { do: 'block' })
}

/** Its event loop stands still for so many ms. */
export async function block(program: Program, { pid }: Target, ms: number): Promise<void> {
  await program.tell(pid, { do: 'block', ms })
}

/** Stopped by the kernel (SIGSTOP) until disposed (SIGCONT). */
export async function stop(program: Program, { pid }: Target): Promise<AsyncDisposable> {
  await program.signal('SIGSTOP', pid)
  return {
    async [Symbol.asyncDispose]() {
      await program.signal('SIGCONT', pid)
    },
  }
}

/** Takes so many bytes of memory and keeps them. */
export async function allocate(program: Program, { pid }: Target, bytes: number): Promise<void> {
  program.harmed = true
  await program.tell(pid, { do: 'allocate', bytes })
}

/** Sends this to the other end of the process's IPC channel, as the worker's own code would with `process.send`. */
export async function sendMessage(program: Program, { pid }: Target, message: unknown): Promise<void> {
  program.harmed = true
  await program.tell(pid, { do: 'send', message })
}

export interface ForNextForks {
  /** Beside, or instead of, what the program gives them. */
  readonly env?: Readonly<Record<string, string>>
  /** Their listens are held until `program.releaseListen`. */
  readonly holdListen?: boolean
  /** Messages that arrive in them are held until `releaseMessages`. */
  readonly holdMessages?: boolean
}

/** What the workers that the primary forks from now on get; `{}`: nothing any more. */
export async function giveNextForks(
  program: Program,
  { env, holdListen = false, holdMessages = false }: ForNextForks,
): Promise<void> {
  program.harmed = true
  await program.ask(program.pid, 'next-forks', 'obeyed', {
    ...(env && { env }),
    ...((holdListen || holdMessages) && {
      options: { ...(holdListen && { holdListen: 'any' }), ...(holdMessages && { holdMessages }) },
    }),
  })
}

/** The next worker that the primary forks is killed before it runs a line, so that it is never online. */
export async function killNextFork(program: Program): Promise<void> {
  program.harmed = true
  await program.ask(program.pid, 'kill-next-fork', 'obeyed')
}

/** The heap of a process after a forced collection, in bytes; undefined when it does not answer. */
export function heapOf(program: Program, { pid }: Target): Promise<EventOf<'heap'> | undefined> {
  return program.ask(pid, 'heap', 'heap')
}

/**
 * Tells of every request that this process gets from now on (`request` and `request-closed` events), and adds these
 * headers to its answers beside the program's own.
 */
export async function watchRequests(
  program: Program,
  { pid }: Target,
  headers: Readonly<Record<string, string | readonly string[]>> = {},
): Promise<void> {
  program.harmed = true
  await program.ask(pid, 'watch-requests', 'obeyed', { headers: Object.entries(headers) })
}

/**
 * This process is killed (SIGKILL) at the first request whose URL holds these words: it has arrived, as its `request`
 * event tells, and nothing of an answer has gone out.
 */
export async function dieAtRequest(program: Program, { pid }: Target, words: string): Promise<void> {
  program.harmed = true
  await program.ask(pid, 'die-at-request', 'obeyed', { words })
}

/** What goes over the channels between a primary and its workers: held, spoilt, or sent by somebody who should not. */

import type { Target } from './faults.ts'
import type { Program } from './program.ts'
import type { Worker } from './workers.ts'

/** The messages that arrive in this process wait until disposed, as on a slow channel. It runs on meanwhile. */
export async function holdMessages(program: Program, target: Target): Promise<AsyncDisposable> {
  program.harmed = true
  await program.ask(target.pid, 'hold-messages', 'obeyed')
  return { [Symbol.asyncDispose]: () => releaseMessages(program, target) }
}

/** Hands this process what was held, in order, and holds nothing any more. */
export async function releaseMessages(program: Program, { pid }: Target): Promise<void> {
  await program.tell(pid, { do: 'release-messages' })
}

/** Whether a message has arrived in this process that is or was held. */
export function hasHeldMessages(program: Program, { pid }: Target): boolean {
  return program.eventsOf('message-held').some((event) => event.pid === pid)
}

/** Sends this from the primary to a worker, as the primary's own code would with `worker.send`. */
export async function sendToWorker(
  program: Program,
  { id }: Pick<Worker, 'id'>,
  message: unknown,
): Promise<void> {
  program.harmed = true
  await program.tell(program.pid, { do: 'send-to-worker', worker: id, message })
}

/** Objects nested so deep. */
export function nested(depth: number): unknown {
  let value: unknown = 'the end'
  for (let level = 0; level < depth; level += 1) value = { deeper: value }
  return value
}

/** A deep copy in which `change` has replaced what it returns other than undefined for; `remove` drops the field. */
export function altered(value: unknown, change: (leaf: unknown) => unknown): unknown {
  const instead = change(value)
  if (instead !== undefined) return instead
  if (Array.isArray(value)) return value.map((one) => altered(one, change)).filter((one) => one !== remove)
  if (typeof value !== 'object' || value === null) return value
  const fields = Object.entries(value).map(([name, one]) => [name, altered(one, change)] as const)
  return Object.fromEntries(fields.filter(([, one]) => one !== remove))
}

export const remove = Symbol('remove')

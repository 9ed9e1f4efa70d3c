/** What goes over the channels between a primary and its workers: held, spoilt, or sent by somebody who should not. */

import type { Target } from './faults.ts'
import { seconds } from './patience.ts'
import { Inconclusive } from './problems.ts'
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

/** What was sent up to now, oldest first, in a program started with `recordMessages`. */
export function recordedMessages(
  program: Program,
): readonly { readonly to: 'primary' | 'worker'; readonly message: unknown }[] {
  return program.eventsOf('message').flatMap(({ to, json }) => {
    try {
      return [
        {
          to: to === null ? ('primary' as const) : ('worker' as const),
          message: JSON.parse(json) as unknown,
        },
      ]
    } catch {
      return [] // cut, since it was very long
    }
  })
}

/** How many messages the processes that live now have sent, in a program started with `countMessages`. */
export async function countSent(program: Program): Promise<{ readonly sent: number; readonly at: number }> {
  const since = program.lastSeq
  const pids = [program.pid, ...program.listening.map(({ pid }) => pid)]
  const counts = await program.until(
    () => {
      const fresh = program.eventsOf('messages').filter(({ seq }) => seq > since)
      const each = pids.map((pid) => fresh.find((event) => event.pid === pid))
      return each.every((event) => event !== undefined) ? each : undefined
    },
    { within: seconds(5) },
  )
  if (counts === undefined) throw new Inconclusive('A process did not tell how many messages it has sent.')
  return {
    sent: counts.reduce((sum, event) => sum + (event?.sent ?? 0), 0),
    at: Math.max(...counts.map((event) => event?.at ?? 0)),
  }
}

/** Messages that no program can have been written for. */
export const junkMessages: readonly unknown[] = [
  null,
  '',
  'junk',
  42,
  true,
  [],
  [null],
  {},
  { type: null },
  { type: {} },
  ...['junk', 'constructor', '__proto__', 'toString'].map((name) => ({
    type: name,
    kind: name,
    event: name,
    action: name,
    cmd: name,
  })),
  nested(200),
]

/** Objects nested so deep. */
function nested(depth: number): unknown {
  let value: unknown = 'the end'
  for (let level = 0; level < depth; level += 1) value = { type: value }
  return value
}

/** Copies of a message in which each leaf of these is another thing, or is not there; none where it has no such leaf. */
export function spoilt(
  message: unknown,
  isSpoilt: (leaf: unknown) => boolean,
  instead: readonly unknown[],
): readonly unknown[] {
  const before = JSON.stringify(message)
  return [...instead, REMOVED]
    .map((other) => altered(message, isSpoilt, other))
    .filter((copy) => copy !== REMOVED && JSON.stringify(copy) !== before)
}

const REMOVED = Symbol('removed')

function altered(value: unknown, isSpoilt: (leaf: unknown) => boolean, other: unknown): unknown {
  if (isSpoilt(value)) return other
  if (Array.isArray(value)) {
    return value.map((one) => altered(one, isSpoilt, other)).filter((one) => one !== REMOVED)
  }
  if (typeof value !== 'object' || value === null) return value
  const fields = Object.entries(value).map(([name, one]) => [name, altered(one, isSpoilt, other)] as const)
  return Object.fromEntries(fields.filter(([, one]) => one !== REMOVED))
}

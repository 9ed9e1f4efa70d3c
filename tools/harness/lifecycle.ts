/** The life of workers: what a program tells of it, what was seen of it, and how many lived at once. */

import type { Program } from './program.ts'
import type { Finding } from './problems.ts'
import type { LostWorker } from './workers.ts'

const names = ['fork', 'online', 'listening', 'disconnect', 'exit'] as const

export interface LifecycleEvent {
  readonly event: (typeof names)[number]
  readonly worker: unknown
  readonly pid: unknown
  /** Of an exit. */
  readonly code?: unknown
  readonly signal?: unknown
}

/** The events of workers that Node emitted in the primary, in their order. */
export function lifecycleSeen(program: Pick<Program, 'events'>): readonly LifecycleEvent[] {
  return program.events.flatMap((event): readonly LifecycleEvent[] => {
    if (!('workerPid' in event)) return []
    const { type, worker, workerPid: pid } = event
    if (type !== 'exit') return [{ event: type, worker, pid }]
    return [{ event: type, worker, pid, code: event.code, signal: event.signal }]
  })
}

/** Lines on stdout that are a JSON object with an event of this kind, in their order. */
export function lifecycleTold(program: Pick<Program, 'lines'>): readonly LifecycleEvent[] {
  return program.lines('stdout').flatMap((line): readonly LifecycleEvent[] => {
    const told = objectIn(line)
    const event = names.find((name) => name === told?.event)
    if (told === undefined || event === undefined) return []
    const { worker, pid, code, signal } = told
    // On another event they are fields of the program's own.
    if (event !== 'exit') return [{ event, worker, pid }]
    return [{ event, worker, pid, ...('code' in told && { code }), ...('signal' in told && { signal }) }]
  })
}

/** How what was told differs from what was seen, in the words of a message; undefined where it does not. */
export function lifecycleDifference(
  program: Pick<Program, 'events' | 'lines'>,
): Pick<Finding, 'expected' | 'got' | 'likely'> | undefined {
  const seen = lifecycleSeen(program)
  const told = lifecycleTold(program)
  const missing = seen.find((event) => count(told, event) === 0)
  if (missing !== undefined) return untold(program, missing, told)
  const excess = told.find((event) => count(told, event) > count(seen, event))
  if (excess === undefined) return undefined
  const due = count(seen, excess)
  return {
    expected:
      due === 0 ? `no line tells of an event that Node did not emit` : 'one line for each event, and no more',
    got: `${count(told, excess)} × ${JSON.stringify(excess)}`,
    likely:
      due === 0
        ? 'the line is not printed by the listener of that event: a worker that is killed while it starts is never online'
        : 'two listeners print it, one on cluster and one on the worker, or one listener was added several times',
  }
}

/** One that listens on two addresses has two events alike, for which one line will do. */
function count(events: readonly LifecycleEvent[], like: LifecycleEvent): number {
  return events.filter((event) => isSame(event, like)).length
}

function isSame(one: LifecycleEvent, other: LifecycleEvent): boolean {
  return (
    one.event === other.event &&
    one.worker === other.worker &&
    one.pid === other.pid &&
    (one.code ?? null) === (other.code ?? null) &&
    (one.signal ?? null) === (other.signal ?? null)
  )
}

function untold(
  program: Pick<Program, 'lines'>,
  missing: LifecycleEvent,
  told: readonly LifecycleEvent[],
): Pick<Finding, 'expected' | 'got' | 'likely'> {
  const { event, worker, pid } = missing
  const expected = `a line ${JSON.stringify(missing)} on stdout`
  const near = told.find((line) => line.event === event && (line.worker === worker || line.pid === pid))
  if (near !== undefined) {
    return {
      expected,
      got: `${JSON.stringify(near)}, which is not the same`,
      likely:
        'worker is the id of the worker and pid that of its process, both numbers; code and signal are what the exit event hands over',
    }
  }
  const onStderr = program.lines('stderr').some((line) => objectIn(line)?.event === event)
  return {
    expected,
    got: onStderr ? 'the line came on stderr' : `no line tells of this ${event}`,
    likely: onStderr
      ? 'console.error writes to stderr, console.log to stdout'
      : event === 'fork'
        ? "nothing listens for 'fork' on cluster; a worker by itself has no such event"
        : `nothing listens for '${event}' on cluster, or only on some of the workers`,
  }
}

function objectIn(line: string): Readonly<Record<string, unknown>> | undefined {
  if (!line.trimStart().startsWith('{')) return undefined
  try {
    return JSON.parse(line) as Record<string, unknown>
  } catch {
    return undefined
  }
}

/**
 * The most workers that lived at once after event `since`: from their fork to their exit. One that the checker has
 * killed counts no more, though the program may not have heard of its death yet.
 */
export function mostAlive(
  { events }: Pick<Program, 'events'>,
  { since = 0, killed = [] }: { readonly since?: number; readonly killed?: readonly LostWorker[] } = {},
): number {
  const alive = new Set<number>()
  let most = 0
  for (const event of events) {
    if (event.type === 'fork') alive.add(event.workerPid)
    if (event.type === 'exit') alive.delete(event.workerPid)
    // Its observer's connection has gone: so has the process, whether or not the primary has heard of it.
    if (event.type === 'gone') alive.delete(event.pid)
    for (const { pid, lostAfter } of killed) if (event.seq > lostAfter) alive.delete(pid)
    if (event.seq > since) most = Math.max(most, alive.size)
  }
  return most
}

/** The life of workers: what a program tells of it, what was seen of it, and how many lived at once. */

import type { Program } from './program.ts'
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
  return program.lines('stdout').flatMap((line) => {
    const told = objectIn(line)
    const event = names.find((name) => name === told?.event)
    if (told === undefined || event === undefined) return []
    const { worker, pid, code, signal } = told
    return [{ event, worker, pid, ...('code' in told && { code }), ...('signal' in told && { signal }) }]
  })
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

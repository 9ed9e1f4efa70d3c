/** What happened in a program and what a check did to it, in one list by time: for the one whose check failed. */

import type { Deed } from './deeds.ts'
import type { ProgramEvent } from './events.ts'
import { describeEnding } from './program.ts'

export interface TimelineEntry {
  /** Milliseconds since the program was started. */
  readonly at: number
  /** `primary`, `worker 2`, `the checker`. */
  readonly who: string
  readonly what: string
  /** `life` of a process, a `fault` that the checker brought upon it, a `request` to it, its `output`, a claim's `end`. */
  readonly kind: 'life' | 'fault' | 'request' | 'output' | 'end'
}

export interface Timeline {
  /** A shell command that starts the program again. */
  readonly command: string
  readonly entries: readonly TimelineEntry[]
  /** How many entries between the first and the last ones were left out. */
  readonly leftOut: number
}

export interface Witnessed {
  readonly command: string
  readonly events: readonly ProgramEvent[]
  readonly deeds: readonly Deed[]
  /** When the check failed, ms since the epoch. */
  readonly failedAt: number
}

/** So many entries from the start, and so many up to the end. */
const KEPT = 500

export function timelineOf({ command, events, deeds, failedAt }: Witnessed): Timeline {
  const start = events.find(({ type }) => type === 'started')?.at ?? events[0]?.at ?? failedAt
  const names = namesIn(events)
  const all = [
    ...withoutFlood(events).flatMap((event) => entryOfEvent(event, names)),
    ...deeds.flatMap((deed) => entryOfDeed(deed, names)),
  ]
    .map((entry) => ({ ...entry, what: entry.what.slice(0, 300), at: Math.round(entry.at - start) }))
    .filter(({ at }) => at <= failedAt - start)
    .sort((one, other) => one.at - other.at)
  const leftOut = Math.max(0, all.length - 2 * KEPT)
  return {
    command,
    entries: [
      ...(leftOut === 0 ? all : [...all.slice(0, KEPT), ...all.slice(-KEPT)]),
      { at: Math.round(failedAt - start), who: CHECKER, what: 'the check fails', kind: 'end' },
    ],
    leftOut,
  }
}

const CHECKER = 'the checker'
/** Who answered a request that nobody has answered. */
export const UNANSWERED = 'nobody'

/** A program may have printed millions of lines. */
function withoutFlood(events: readonly ProgramEvent[]): readonly ProgramEvent[] {
  const lines = events.reduce((count, { type }) => (type === 'line' ? count + 1 : count), 0)
  if (lines <= 2 * KEPT) return events
  let line = 0
  return events.filter(({ type }) => {
    if (type !== 'line') return true
    line += 1
    return line <= KEPT || line > lines - KEPT
  })
}

/** The name of a process by its pid, and of the first one. */
type Names = (pid: number | 'group' | 'first') => string

function namesIn(events: readonly ProgramEvent[]): Names {
  const forked = events.some(({ type }) => type === 'fork')
  const firstName = forked ? 'primary' : 'program'
  const names = new Map<number, string>()
  for (const event of events) {
    if (event.type === 'started' && event.pid !== null) names.set(event.pid, firstName)
    if (event.type === 'fork') names.set(event.workerPid, `worker ${event.worker}`)
  }
  return (pid) => {
    if (pid === 'group') return 'all its processes'
    return pid === 'first' ? firstName : (names.get(pid) ?? `process ${pid}`)
  }
}

function entryOfEvent(event: ProgramEvent, names: Names): readonly TimelineEntry[] {
  const life = (who: string, what: string): readonly TimelineEntry[] => [
    { at: event.at, who, what, kind: 'life' },
  ]
  switch (event.type) {
    case 'started':
      return life(names(event.pid ?? 0), `started (pid ${event.pid})`)
    case 'ended':
      return life(names('first'), `ended: ${describeEnding(event)}`)
    case 'fork':
      return life(`worker ${event.worker}`, `forked (pid ${event.workerPid})`)
    case 'online':
      return life(`worker ${event.worker}`, 'online')
    case 'listening':
      return life(`worker ${event.worker}`, `listens on port ${event.port}`)
    case 'disconnect':
      return life(`worker ${event.worker}`, 'disconnected')
    case 'exit':
      return life(`worker ${event.worker}`, `gone: ${describeEnding(event)}`)
    case 'server-listening':
      // Of a worker's server the primary tells, unless it was opened by itself.
      if (!event.serves || (names(event.pid).startsWith('worker') && event.alone !== true)) return []
      return life(names(event.pid), `listens on port ${event.port ?? event.path}`)
    case 'server-closing':
      return life(names(event.pid), 'stops listening')
    case 'server-error':
      return life(names(event.pid), `cannot listen: ${event.code ?? 'an error'} (port ${event.port})`)
    case 'thread':
      return life(names(event.pid), 'starts a thread')
    case 'limit':
      return life(CHECKER, `stopped it: ${event.limit} over the limit (${event.value})`)
    case 'listen-held':
      return [{ at: event.at, who: CHECKER, what: `holds the listen of ${names(event.pid)}`, kind: 'fault' }]
    case 'line':
      return event.text.trim() === ''
        ? []
        : [{ at: event.at, who: event.stream, what: event.text.trim(), kind: 'output' }]
    default:
      return []
  }
}

function entryOfDeed(deed: Deed, names: Names): readonly TimelineEntry[] {
  const { at } = deed
  switch (deed.type) {
    case 'signal':
      return [{ at, who: CHECKER, what: `sends ${deed.signal} to ${names(deed.pid)}`, kind: 'fault' }]
    case 'load':
      return [
        { at, who: CHECKER, what: `loads /render for ${(deed.ms / 1_000).toFixed(1)} s`, kind: 'request' },
      ]
    case 'request': {
      const what = `${deed.method} ${deed.path}${deed.admin ? ' (admin)' : ''}: ${deed.outcome}`
      return [{ at, who: deed.pid === undefined ? UNANSWERED : names(deed.pid), what, kind: 'request' }]
    }
    case 'command': {
      const what = faultIn(deed.command, names(deed.pid))
      return what === undefined ? [] : [{ at, who: CHECKER, what, kind: 'fault' }]
    }
  }
}

/** Undefined for what only looks. */
function faultIn(command: Readonly<Record<string, unknown>>, whom: string): string | undefined {
  switch (command['do']) {
    case 'throw':
      return `throws an exception in ${whom}`
    case 'reject':
      return `rejects a promise in ${whom}`
    case 'block': {
      const { ms } = command
      return typeof ms === 'number' ? `blocks ${whom} for ${ms} ms` : `hangs ${whom} for good`
    }
    case 'exit':
      return `calls process.exit(${Number(command['code'] ?? 0)}) in ${whom}`
    case 'allocate':
      return `takes ${Math.round(Number(command['bytes']) / 1024 ** 2)} MiB of memory in ${whom}`
    case 'release':
      return `lets ${whom} listen`
    case 'send':
      return `has ${whom} send a message to its parent`
    case 'send-to-worker':
      return `has ${whom} send a message to worker ${String(command['worker'])}`
    case 'hold-messages':
      return `holds the messages to ${whom}`
    case 'release-messages':
      return `lets the held messages through to ${whom}`
    case 'kill-next-fork':
      return `will kill the next process that ${whom} forks`
    case 'die-at-request':
      return `has ${whom} killed at the next request to ${String(command['words'])}`
    default:
      return undefined
  }
}

/** What a program's processes used of the cores between two readings. */

/** One reading, all times in ms since each thread began; see kept-program.mjs. */
export interface Usage {
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly source: 'kernel' | 'event loop'
  /** CPU time that nobody used, over all cores of the machine. */
  readonly idleMs: number
  readonly processes: readonly {
    readonly pid: number
    readonly threads: readonly Thread[]
    /** The cores that it may use, as the kernel lists them: `0-1,4`. */
    readonly cores?: string
  }[]
}

interface Thread {
  readonly id: number
  readonly cpuMs: number
  /** Runnable, but another thread had the core. */
  readonly waitMs: number
}

export interface Used {
  /** Between the readings. */
  readonly timeMs: number
  readonly cpuMs: number
  /** What the threads that carry the work ran or waited for a core. */
  readonly wantedMs: number
  /** What the same threads would have run if they had never waited for a core, and had slept as long as they did. */
  readonly aloneMs: number
  readonly cpuByProcess: ReadonlyMap<number, number>
  /** CPU time that nobody used meanwhile. */
  readonly idleMs: number
  /** How many cores the processes that carry the work may use together; undefined where the kernel does not tell. */
  readonly allowed: number | undefined
}

/** A thread below this part of its process's CPU time helps (garbage collection, compilation), and carries nothing. */
const CARRIES = 0.15

export function usedBetween(before: Usage, after: Usage): Used {
  const timeMs = after.at - before.at
  const cpuByProcess = new Map<number, number>()
  const lists = new Set<string | undefined>()
  let wantedMs = 0
  let aloneMs = 0
  for (const { pid, threads, cores } of after.processes) {
    const earlier = new Map(
      before.processes.find((process) => process.pid === pid)?.threads.map((one) => [one.id, one]),
    )
    const used = threads.map(({ id, cpuMs, waitMs }) => ({
      cpuMs: cpuMs - (earlier.get(id)?.cpuMs ?? 0),
      waitMs: waitMs - (earlier.get(id)?.waitMs ?? 0),
    }))
    const cpu = used.reduce((sum, thread) => sum + thread.cpuMs, 0)
    cpuByProcess.set(pid, cpu)
    if (cpu >= timeMs * CARRIES) lists.add(cores)
    for (const thread of used) {
      // A thread that waits and is rarely let run wants a core as much as one that runs.
      if (thread.cpuMs < cpu * CARRIES) continue
      wantedMs += Math.min(thread.cpuMs + thread.waitMs, timeMs)
      aloneMs += timeMs * Math.min(1, thread.cpuMs / Math.max(timeMs - thread.waitMs, 1))
    }
  }
  const cpuMs = [...cpuByProcess.values()].reduce((sum, cpu) => sum + cpu, 0)
  return {
    timeMs,
    cpuMs,
    wantedMs,
    aloneMs,
    cpuByProcess,
    idleMs: after.idleMs - before.idleMs,
    allowed: coresIn(lists),
  }
}

/** How many cores are in any of these lists. */
function coresIn(lists: ReadonlySet<string | undefined>): number | undefined {
  if (lists.size === 0 || lists.has(undefined)) return undefined
  const all = new Set<number>()
  for (const range of [...lists].flatMap((list) => (list ?? '').split(','))) {
    const [first = 0, last = first] = range.split('-').map(Number)
    for (let core = first; core <= last; core += 1) all.add(core)
  }
  return all.size
}

/**
 * The time that this machine took from a program between two readings, in ms: the longest that any of its main
 * threads stood in the run queue. Where the kernel does not tell, as long as there was no idle core.
 */
export function takenBetween(before: Usage, after: Usage): number {
  if (after.source !== 'kernel') {
    const idle = after.idleMs - before.idleMs
    return Math.max(0, after.at - before.at - idle)
  }
  const waits = after.processes.map(({ pid, threads }) => {
    const earlier = before.processes.find((process) => process.pid === pid)
    const wait = (all: typeof threads | undefined): number => all?.find(({ id }) => id === pid)?.waitMs ?? 0
    return wait(threads) - wait(earlier?.threads)
  })
  return Math.max(0, ...waits)
}

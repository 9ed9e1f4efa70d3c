/**
 * Deadlines that a busy machine does not break. They are counted on a clock that stands still while this process
 * cannot run (a stall, a suspended laptop), and a program gets as much more time as the kernel kept it waiting for
 * a core meanwhile.
 */

const TICK_MS = 20
/** A tick that comes later than this counts as this much. */
const LATEST_MS = 60

/** A gap between two ticks that no load explains: the machine was suspended, this process stopped, or the clock set. */
const STANDSTILL_MS = 5_000

let patient = 0
let last = performance.now()
let lastDate = Date.now()
/** Each with the time of its end (`performance.now()`) and its length, ms. */
const standstills: { readonly until: number; readonly ms: number }[] = []
const watchers = new Set<() => void>()

const clock = setInterval(tick, TICK_MS)
clock.unref()

function tick(): void {
  const now = performance.now()
  patient += Math.min(now - last, LATEST_MS)
  const ms = gap(now)
  if (ms > STANDSTILL_MS) standstills.push({ until: now, ms })
  last = now
  lastDate = Date.now()
  for (const watcher of watchers) watcher()
}

/** Since the last tick. The clock of a machine that is suspended may stand still as well, and only the date goes on. */
function gap(now: number): number {
  return Math.max(now - last, Math.abs(Date.now() - lastDate))
}

/** How long this process stood still at a stretch after this time (`performance.now()`), ms; 0 where it did not. */
export function standstillSince(since: number): number {
  const now = performance.now()
  const all = [...standstills, { until: now, ms: gap(now) }]
  return Math.max(
    0,
    ...all.filter(({ until, ms }) => until > since && ms > STANDSTILL_MS).map(({ ms }) => ms),
  )
}

/** Milliseconds on the patient clock, from some start. */
export function patientNow(): number {
  return patient + Math.min(performance.now() - last, LATEST_MS)
}

/** A number of seconds, in the milliseconds that all durations here are in. */
export function seconds(count: number): number {
  return count * 1_000
}

/** How a wait asks for more time when its own is over: in ms, what the machine took from it. */
export type Taken = () => Promise<number>

export interface Wait {
  /** Milliseconds on a quiet machine. */
  readonly within: number
  readonly taken?: Taken
  /** Called to be told when to look again; returns how to stop that. The clock looks every 20 ms anyway. */
  readonly wake?: (look: () => void) => () => void
}

/** A deadline is stretched to so many times its length at the most. */
const STRETCH_LIMIT = 4

/**
 * Waits until `look` finds something other than undefined. Resolves to undefined when the time is over; rejects with
 * what `look` throws.
 */
export async function until<Found>(look: () => Found | undefined, wait: Wait): Promise<Found | undefined> {
  const start = patientNow()
  for (let length = wait.within; ;) {
    const end = start + length
    const found = await lookUntil(look, () => end, wait.wake)
    if (found !== undefined || wait.taken === undefined) return found
    // The machine goes on taking time while the time that it took is made up for.
    const stretched = Math.min(wait.within + (await wait.taken()), wait.within * STRETCH_LIMIT)
    if (stretched <= length) return lookUntil(look, () => end, wait.wake)
    length = stretched
  }
}

function lookUntil<Found>(
  look: () => Found | undefined,
  deadline: () => number,
  wake: Wait['wake'],
): Promise<Found | undefined> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void): void => {
      watchers.delete(again)
      stopWaking?.()
      clock.unref()
      act()
    }
    const again = (): void => {
      try {
        const found = look()
        if (found !== undefined) settle(() => resolve(found))
        else if (patientNow() >= deadline()) settle(() => resolve(undefined))
      } catch (error) {
        settle(() => reject(error instanceof Error ? error : new Error(String(error))))
      }
    }
    const stopWaking = wake?.(again)
    watchers.add(again)
    clock.ref()
    again()
  })
}

/** Waits on the patient clock. Only for what the contract itself measures in time, never for readiness. */
export async function pause(ms: number): Promise<void> {
  await until(() => undefined, { within: ms })
}

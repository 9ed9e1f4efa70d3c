/** Hung and oversized workers: a worker's sign of life, and how the primary judges that none comes. */

import { crew, kill, type Member } from './crew.ts'
import { hangMs, maxRssMb } from './settings.ts'

/** Time between two looks at the signs of life, in ms. */
const lookMs = Math.max(hangMs / 8, 5)
/** Time between two signs, in ms: at most a second, however large HANG_MS is, as they tell of the memory, too. */
const beatMs = Math.min(lookMs, 1000)
/** More than HANG_MS without a sign, and less than twice as much, however the two timers lie to each other. */
const silentLooksOfTheHung = 11
/** A worker that boots compiles and loads in long turns: it gets 10 s in all. */
const looksToBoot = Math.ceil(10_000 / lookMs)

/** In a worker: a timer of its own event loop, so that it beats when and only when that loop turns. */
export function beat(): void {
  const send = (): void => {
    // Without a callback, a send to a primary that has gone would be an `error` event that nobody handles.
    if (process.connected)
      process.send?.({ type: 'beat', rss: process.memoryUsage.rss() }, undefined, undefined, () => {})
  }
  send()
  setInterval(send, beatMs).unref()
}

/** In the primary: a worker has given a sign of life, and says how much memory it holds, in bytes. */
export function heard(member: Member, rss = 0): 'fine' | 'too big' {
  member.silentLooks = 0
  return member.state === 'listening' && rss > maxRssMb * 1024 ** 2 ? 'too big' : 'fine'
}

/**
 * In the primary: counts its own looks since each worker's last sign, and no time. When the whole machine stands still
 * (a suspended laptop, a paused virtual machine), then so does this timer, and one late look is one look. A time-out
 * by the clock would find every worker silent in the first moment after, before it reads what they have sent.
 */
export function watch(): void {
  setInterval(() => {
    for (const member of crew.values()) {
      member.silentLooks += 1
      const patience = member.state === 'starting' ? looksToBoot : silentLooksOfTheHung
      if (member.silentLooks < patience) continue
      console.error(
        `worker ${member.worker.id} (${member.worker.process.pid}) does not turn any more: killed`,
      )
      kill(member)
    }
  }, lookMs)
}

/** Hung and oversized workers: how the primary finds them. */

import { crew, type Member } from './crew.ts'
import { hangMs, maxRssMb } from './settings.ts'

/** Time between two looks, in ms. */
const lookMs = Math.max(hangMs / 8, 5)
/** So many looks without a sign of life are too many. */
const silentLooksOfTheHung = 11
/** A worker that boots compiles and loads in long turns: it gets 10 s in all. */
const looksToBoot = Math.ceil(10_000 / lookMs)

/** In a worker: says how much memory it holds, in bytes. */
export function beat(): void {
  const send = (): void => {
    // Without a callback, a send to a primary that has gone would be an `error` event that nobody handles.
    if (process.connected)
      process.send?.({ type: 'beat', rss: process.memoryUsage.rss() }, undefined, undefined, () => {})
  }
  send()
  setInterval(send, Math.min(lookMs, 1000)).unref()
}

/** In the primary: a worker has told how much memory it holds, in bytes. */
export function heard(member: Member, rss = 0): 'fine' | 'too big' {
  return member.state === 'listening' && rss > maxRssMb * 1024 ** 2 ? 'too big' : 'fine'
}

/** In the primary: asks each worker whether it is there, and ends those that are not. */
export function watch(): void {
  setInterval(() => {
    for (const member of crew.values()) {
      member.silentLooks += 1
      member.worker.send({ type: 'ping' }, (error) => {
        if (error === null) member.silentLooks = 0
      })
      const patience = member.state === 'starting' ? looksToBoot : silentLooksOfTheHung
      if (member.silentLooks < patience) continue
      console.error(`worker ${member.worker.id} (${member.worker.process.pid}) is not there: ended`)
      member.worker.process.kill('SIGTERM')
    }
  }, lookMs)
}

/** The workers, as the primary knows them: from fork to exit. Only the primary uses this file. */

import cluster, { type Worker } from 'node:cluster'
import { shutdownMs } from './settings.ts'

/** A worker from its fork to its exit. */
export interface Member {
  readonly worker: Worker
  readonly startedAt: string
  state: 'starting' | 'listening' | 'draining'
  /** A replacement that waits for its predecessor to go: it does not count yet. */
  spare: boolean
  /** Its replacement, on its way. */
  successor: Member | undefined
  /** So many looks of watch.ts have passed since its last sign of life. */
  silentLooks: number
  readonly listens: Promise<boolean>
  readonly gone: Promise<void>
}

/** Every worker that lives, the draining ones too. */
export const crew = new Map<number, Member>()

export function recruit(spare = false): Member {
  const worker = cluster.fork()
  // A message to a worker that has just died fails with an `error` event. Its `exit` is all that we need to know.
  worker.on('error', () => {})
  const member: Member = {
    worker,
    startedAt: new Date().toISOString(),
    state: 'starting',
    spare,
    successor: undefined,
    silentLooks: 0,
    listens: new Promise((resolve) => {
      worker.once('listening', () => resolve(true))
      worker.once('exit', () => resolve(false))
    }),
    gone: new Promise((resolve) => worker.once('exit', () => resolve())),
  }
  crew.set(worker.id, member)
  return member
}

/**
 * Lets a worker finish what it has begun, and no longer than SHUTDOWN_MS. Again: changes nothing. It is begun here and
 * not in the worker: `disconnect()` first of all stops the primary from handing it connections. A worker that closes
 * its server and exits by itself takes the one with it that is just on its way, and that client waits for ever.
 */
export function drain(member: Member): void {
  if (member.state === 'draining') return
  // One that still boots has no listener for the signal yet, and nothing to drain.
  if (member.state === 'starting') member.worker.process.kill('SIGTERM')
  member.state = 'draining'
  if (member.successor) member.successor.spare = false // its place is taken already
  member.worker.send({ type: 'drain' }, () => {})
  member.worker.disconnect()
  const deadline = setTimeout(() => kill(member), shutdownMs)
  void member.gone.then(() => clearTimeout(deadline))
}

/** For one that may not hear anything else: SIGKILL needs no event loop. */
export function kill(member: Member): void {
  member.worker.process.kill('SIGKILL')
}

/** Workers that are there to stay. */
export function staying(): number {
  return [...crew.values()].filter(({ state, spare }) => state !== 'draining' && !spare).length
}

export function listening(): Member[] {
  return [...crew.values()].filter(({ state }) => state === 'listening')
}

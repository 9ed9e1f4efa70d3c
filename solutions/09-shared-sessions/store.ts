/** Where sessions live: in LMDB, in the folder DATA_DIR; or in Redis, when REDIS_URL is set. */

import { openLmdb } from './lmdb-store.ts'
import { openRedis } from './redis-store.ts'

/** What `/me` tells of a session. */
export interface Visit {
  readonly user: string
  readonly visits: number
}

/** All sessions. Each method is one step: nobody sees it half done. Rejects where the store does not answer. */
export interface SessionStore {
  /** Begins a session and resolves to its id. `previous` is the id that the client came with, if any: it ends. */
  create(user: string, previous: string): Promise<string>
  /** Counts a visit; undefined where there is no such session. */
  visit(id: string): Promise<Visit | undefined>
  /** Puts an item into the cart and resolves to how many there are; undefined where there is no such session. */
  add(id: string, item: string): Promise<number | undefined>
  /** Ends a session, if there is one. */
  remove(id: string): Promise<void>
}

/** What is empty counts as unset, as in lesson 3. */
const redisUrl = process.env.REDIS_URL || undefined
const dataDir = process.env.DATA_DIR || '.workshop/sessions'
/** How long a session lives without being used. */
const ttlMs = Number(process.env.SESSION_TTL_MS || 30 * 60_000)

/** For messages. A URL may hold a password, which belongs into no log. */
export const storeName = redisUrl === undefined ? `the sessions in ${dataDir}` : 'the sessions in Redis'

export async function openStore(): Promise<SessionStore> {
  return redisUrl === undefined ? openLmdb(dataDir, ttlMs) : openRedis(redisUrl, ttlMs)
}

/** Removes what has expired from LMDB, for as long as this process lives: only one needs to. Redis does it itself. */
export function keepClean(): void {
  if (redisUrl !== undefined) return
  const { purge } = openLmdb(dataDir, ttlMs)
  setInterval(purge, 60_000).unref()
}

/** Sessions in LMDB: a file that every worker maps into its memory, with one lock for all who write. */

import { mkdirSync } from 'node:fs'
import { open } from 'lmdb'
import { keyOf, newId } from './ids.ts'
import type { SessionStore } from './store.ts'

interface Session {
  readonly user: string
  readonly visits: number
  readonly items: readonly string[]
  /** LMDB knows no expiry: each entry says its own. Milliseconds since the epoch. */
  readonly expiresAt: number
}

/** How many entries are looked at in one go. */
const BATCH = 500

/** Throws where the folder cannot be used; where its file is no LMDB file, lmdb 3.5 takes the process down. */
export function openLmdb(folder: string, ttlMs: number): SessionStore & { purge(): void } {
  // Whoever can read this folder knows who is logged in.
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  // A folder whose name has a point in it would be taken for a file. No `cache`: it would be one per process.
  const db = open<Session, string>({ path: folder, noSubdir: false })
  // The first read meets what an open does not: better now than in somebody's request.
  Array.from(db.getKeys({ limit: 1 }))

  /** To be called in a transaction only. */
  const live = (key: string): Session | undefined => {
    const session = db.get(key)
    return session !== undefined && session.expiresAt > Date.now() ? session : undefined
  }

  /**
   * Reads, changes and writes in one transaction: no other process writes between. The promise resolves when it is
   * committed, so what was answered is kept when this process dies.
   */
  const use = (id: string, change: (session: Session) => Partial<Session>): Promise<Session | undefined> => {
    const key = keyOf(id)
    return db.transaction(() => {
      const session = live(key)
      if (session === undefined) return undefined
      const changed = { ...session, ...change(session), expiresAt: Date.now() + ttlMs }
      db.put(key, changed)
      return changed
    })
  }

  return {
    async create(user, previous) {
      const id = newId()
      await db.transaction(() => {
        db.remove(keyOf(previous))
        db.put(keyOf(id), { user, visits: 0, items: [], expiresAt: Date.now() + ttlMs })
      })
      return id
    },

    async visit(id) {
      const session = await use(id, ({ visits }) => ({ visits: visits + 1 }))
      return session && { user: session.user, visits: session.visits }
    },

    async add(id, item) {
      const session = await use(id, ({ items }) => ({ items: [...items, item] }))
      return session?.items.length
    },

    async remove(id) {
      await db.remove(keyOf(id))
    },

    /** Removes what has expired, some at a time, so that nobody waits long for the lock. */
    purge() {
      const lookAfter = async (last: string): Promise<void> => {
        const batch = Array.from(db.getRange({ start: last, limit: BATCH }))
        const expired = batch.filter(({ value }) => value.expiresAt <= Date.now()).map(({ key }) => key)
        // One may have been used since it was read.
        if (expired.length > 0) {
          await db.transaction(() => {
            for (const key of expired) if (live(key) === undefined) db.remove(key)
          })
        }
        const next = batch.at(-1)?.key
        if (batch.length === BATCH && next !== undefined) await lookAfter(next)
      }
      lookAfter('').catch((error: unknown) => console.error('expired sessions could not be removed:', error))
    },
  }
}

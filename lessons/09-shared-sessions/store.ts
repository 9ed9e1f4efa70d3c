/** Where sessions live. */

/** What `/me` tells of a session. */
export interface Visit {
  readonly user: string
  readonly visits: number
}

/** All sessions. Each method is one step: nobody sees it half done. */
export interface SessionStore {
  /** Begins a session and resolves to its id. `previous` is the id that the client came with, if any. */
  create(user: string, previous: string): Promise<string>
  /** Counts a visit; undefined where there is no such session. */
  visit(id: string): Promise<Visit | undefined>
  /** Puts an item into the cart and resolves to how many there are; undefined where there is no such session. */
  add(id: string, item: string): Promise<number | undefined>
  /** Ends a session, if there is one. */
  remove(id: string): Promise<void>
}

interface Session {
  readonly user: string
  visits: number
  readonly items: string[]
}

// TODO: which processes see this Map? And who still sees it after `kill -9`?
//       Keep the sessions in LMDB, in the folder DATA_DIR; or in Redis, when REDIS_URL is set.
export async function openStore(): Promise<SessionStore> {
  const sessions = new Map<string, Session>()
  return {
    async create(user, previous) {
      // TODO: could I guess yours from mine? 128 random bits, please: from which module?
      const id = previous || Math.random().toString(36).slice(2)
      sessions.set(id, { user, visits: 0, items: [] })
      return id
    },
    async visit(id) {
      // TODO: a session ends SESSION_TTL_MS after its last use. Who looks?
      const session = sessions.get(id)
      if (session === undefined) return undefined
      // TODO: once this is a store that you have to wait for, what may another worker do between reading and writing?
      session.visits += 1
      return { user: session.user, visits: session.visits }
    },
    async add(id, item) {
      const session = sessions.get(id)
      return session?.items.push(item)
    },
    async remove(id) {
      sessions.delete(id)
    },
  }
}

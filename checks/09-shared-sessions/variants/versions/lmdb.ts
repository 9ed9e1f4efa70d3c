import { randomBytes } from 'node:crypto'
import { closeSync, existsSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { open, type RootDatabase } from 'lmdb'
import type { Sessions } from './sessions.ts'
import { folder, NO_STORE, ttl } from './settings.ts'

interface Session {
  readonly user: string
  readonly visits: number
  readonly items: readonly string[]
  readonly end: number
}

export class LmdbSessions implements Sessions {
  readonly #db: RootDatabase<Session, string>

  private constructor(db: RootDatabase<Session, string>) {
    this.#db = db
  }

  static open(): LmdbSessions {
    try {
      refuseStrangeFile(join(folder, 'data.mdb'))
      return new LmdbSessions(open<Session, string>({ path: folder, noSubdir: false, useVersions: true }))
    } catch (error) {
      console.error(String(error))
      process.exit(NO_STORE)
    }
  }

  async begin(user: string, old: string): Promise<string> {
    const id = randomBytes(20).toString('hex').toUpperCase()
    await this.#db.put(id, { user, visits: 0, items: [], end: Date.now() + ttl }, 1)
    await this.end(old)
    return id
  }

  async visit(id: string) {
    const session = await this.#change(id, (before) => ({ ...before, visits: before.visits + 1 }))
    return session && { user: session.user, visits: session.visits }
  }

  async add(id: string, item: string) {
    const session = await this.#change(id, (before) => ({ ...before, items: [...before.items, item] }))
    return session && { items: session.items.length }
  }

  async end(id: string): Promise<void> {
    if (possible(id)) await this.#db.remove(id)
  }

  async #change(id: string, change: (before: Session) => Session): Promise<Session | undefined> {
    if (!possible(id)) return undefined
    for (;;) {
      const entry = this.#db.getEntry(id)
      if (entry?.version === undefined || entry.value.end < Date.now()) return undefined
      const after = { ...change(entry.value), end: Date.now() + ttl }
      if (await this.#db.put(id, after, entry.version + 1, entry.version)) return after
    }
  }
}

function possible(id: string): boolean {
  return /^[0-9A-F]{40}$/.test(id)
}

/** The library takes its process down where the file is none of LMDB's. */
function refuseStrangeFile(file: string): void {
  if (!existsSync(file)) return
  const handle = openSync(file, 'r')
  const head = Buffer.alloc(28)
  const length = readSync(handle, head)
  closeSync(handle)
  if (length > 0 && head.readUInt32LE(24) !== 0xbeefc0de) throw new Error(`${file} is no file of LMDB`)
}

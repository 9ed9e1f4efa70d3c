/** Sessions in Redis: it does one script at a time, and forgets by itself what has expired. */

import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from 'redis'
import { keyOf, newId } from './ids.ts'
import type { SessionStore } from './store.ts'

/** A client waits no longer than this for the store. The contract has 2 s for the whole request. */
const PATIENCE_MS = 1_000

// A script runs as one step. `PEXPIRE` in it makes the expiry slide with each use.
const VISIT = `
  if redis.call('EXISTS', KEYS[1]) == 0 then return false end
  local visits = redis.call('HINCRBY', KEYS[1], 'visits', 1)
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
  redis.call('PEXPIRE', KEYS[2], ARGV[1])
  return { redis.call('HGET', KEYS[1], 'user'), visits }`

const ADD = `
  if redis.call('EXISTS', KEYS[1]) == 0 then return false end
  local items = redis.call('RPUSH', KEYS[2], ARGV[2])
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
  redis.call('PEXPIRE', KEYS[2], ARGV[1])
  return items`

export async function openRedis(url: string, ttlMs: number): Promise<SessionStore> {
  const client = createClient({
    url,
    // While Redis is away a command fails at once, and is not sent by surprise when it is back.
    disableOfflineQueue: true,
    commandsQueueMaxLength: 10_000,
    // A connection that is silent although it was pinged is dead, also if nobody closed it.
    pingInterval: 1_000,
    socket: {
      connectTimeout: PATIENCE_MS,
      socketTimeout: 3_000,
      reconnectStrategy: (retries) => Math.min(50 * 2 ** retries, 1_000),
    },
  })

  // An error without a listener would end the worker. One line for each outage, and not for each attempt.
  let told = false
  client.on('error', (error: Error) => {
    if (!told) console.error(`Redis is away: ${error.message || error.name}`)
    told = true
  })
  client.on('ready', () => (told = false))

  // It goes on trying for ever. If Redis is away just now, requests get 503 until it is there: no reason to end.
  const connected = client.connect().catch(() => {})
  await Promise.race([connected, sleep(PATIENCE_MS)])

  const keysOf = (id: string): [session: string, cart: string] => {
    const key = keyOf(id)
    // The braces put both on the same node of a Redis Cluster.
    return [`session:{${key}}`, `cart:{${key}}`]
  }

  return {
    async create(user, previous) {
      const id = newId()
      const [session] = keysOf(id)
      const begin = client.multi().del(keysOf(previous)).hSet(session, { user, visits: 0 })
      await inTime(begin.pExpire(session, ttlMs).exec())
      return id
    },

    async visit(id) {
      const reply = await inTime(client.eval(VISIT, { keys: keysOf(id), arguments: [String(ttlMs)] }))
      if (!Array.isArray(reply)) return undefined
      const [user, visits] = reply
      return { user: String(user), visits: Number(visits) }
    },

    async add(id, item) {
      const reply = await inTime(client.eval(ADD, { keys: keysOf(id), arguments: [String(ttlMs), item] }))
      return typeof reply === 'number' ? reply : undefined
    },

    async remove(id) {
      await inTime(client.del(keysOf(id)))
    },
  }
}

/**
 * Rejects when there is no answer in time. `commandOptions.timeout` of the client is not enough: it ends when the
 * command is written. Redis may still do what it was sent; nobody can know.
 */
async function inTime<Reply>(reply: Promise<Reply>): Promise<Reply> {
  const over = new AbortController()
  const late = sleep(PATIENCE_MS, undefined, { signal: over.signal }).then(() => {
    throw new Error(`Redis did not answer within ${PATIENCE_MS} ms`)
  })
  try {
    return await Promise.race([reply, late])
  } finally {
    over.abort()
    late.catch(() => {})
    reply.catch(() => {})
  }
}

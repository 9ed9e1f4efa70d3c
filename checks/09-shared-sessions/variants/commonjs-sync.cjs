// right: CommonJS, a lock on the event loop (transactionSync), swept by a timer; on Redis WATCH and MULTI

'use strict'

/** The types know the default export of an ES module only. @type {any} */
const required = require('node:cluster')
/** @type {import('node:cluster').Cluster} */
const cluster = required
const http = require('node:http')
const os = require('node:os')
const path = require('node:path')
const { randomBytes } = require('node:crypto')
const { open } = require('lmdb')
const { createClientPool } = require('redis')
const { renderHandbook } = require('#handbook')

const PORT = Number(process.env.PORT || 8000)
const DATA_DIR = process.env.DATA_DIR || '.workshop/sessions'
const TTL = Number(process.env.SESSION_TTL_MS || 30 * 60 * 1000)
const NO_STORE = 33

/** @typedef {{ user: string, visits: number, items: number, end: number }} Session */

if (cluster.isPrimary) main()
else serve()

function main() {
  const workers = Number(process.env.WORKERS || os.availableParallelism())
  cluster.schedulingPolicy = cluster.SCHED_NONE
  let announced = false
  /** @type {Set<number>} */
  const up = new Set()
  cluster.on('listening', ({ id }) => {
    up.add(id)
    if (announced || up.size < workers) return
    announced = true
    console.log('ready: %d workers on port %d', workers, PORT)
  })
  cluster.on('exit', ({ id }, code, signal) => {
    if (code === NO_STORE || (!up.has(id) && /SEGV|BUS|ABRT/.test(signal))) {
      console.error('The folder %s cannot be used for sessions.', DATA_DIR)
      process.exit(1)
    }
    up.delete(id)
    cluster.fork()
  })
  for (let i = 0; i < workers; i++) cluster.fork()
}

/** The file is named by us, and lies in the folder. */
function lmdb() {
  let db
  try {
    db = open({ path: path.join(DATA_DIR, 'sessions', 'all.mdb'), encoding: 'msgpack' })
  } catch (error) {
    console.error(DATA_DIR, error)
    process.exit(NO_STORE)
  }
  // Swept twice a second, and looked at nowhere else: a session may live half a second longer.
  setInterval(() => {
    for (const { key, value } of db.getRange()) {
      if (value.end > Date.now()) continue
      // It may have been used since it was read.
      db.transactionSync(() => {
        if (db.get(key)?.end <= Date.now()) db.removeSync(key)
      })
    }
  }, 500).unref()
  return {
    /** @param {string} id @param {string} user @param {string} old */
    async login(id, user, old) {
      db.transactionSync(() => {
        db.removeSync(old)
        db.putSync(id, { user, visits: 0, items: 0, end: Date.now() + TTL })
      })
    },
    /** @param {string} id @param {'visits' | 'items'} what @returns {Promise<Session | undefined>} */
    async count(id, what) {
      return db.transactionSync(() => {
        const session = db.get(id)
        if (!session) return undefined
        session[what]++
        session.end = Date.now() + TTL
        db.putSync(id, session)
        return session
      })
    },
    /** @param {string} id */
    async logout(id) {
      db.removeSync(id)
    },
  }
}

/** Optimistic: whoever finds the session changed begins again. @param {string} url */
async function redis(url) {
  const pool = createClientPool(
    { url, disableOfflineQueue: true, socket: { connectTimeout: 500, reconnectStrategy: 250 } },
    { minimum: 2, maximum: 6 },
  )
  pool.on('error', () => {})
  await Promise.race([pool.connect(), new Promise((resolve) => setTimeout(resolve, 1000))]).catch(() => {})
  return {
    /** @param {string} id @param {string} user @param {string} old */
    async login(id, user, old) {
      await pool
        .multi()
        .del(old)
        .set(id, JSON.stringify({ user, visits: 0, items: 0 }), { EX: Math.ceil(TTL / 1000) })
        .exec()
    },
    /** @param {string} id @param {'visits' | 'items'} what @returns {Promise<Session | undefined>} */
    async count(id, what) {
      // One at a time in this process: the others would only disturb each other.
      const turn = (turns.get(id) ?? Promise.resolve()).catch(() => {}).then(() => attempt(id, what))
      turns.set(id, turn)
      return turn.finally(() => {
        if (turns.get(id) === turn) turns.delete(id)
      })
    },
    /** @param {string} id */
    async logout(id) {
      await pool.del(id)
    },
  }

  /** @param {string} id @param {'visits' | 'items'} what @returns {Promise<Session | undefined>} */
  function attempt(id, what) {
    return pool.execute(async (client) => {
      for (;;) {
        await client.watch(id)
        const text = await client.get(id)
        if (text === null) {
          await client.unwatch()
          return undefined
        }
        const session = JSON.parse(text)
        session[what]++
        try {
          await client
            .multi()
            .set(id, JSON.stringify(session), { EX: Math.ceil(TTL / 1000) })
            .exec()
          return session
        } catch (error) {
          if (/** @type {Error} */ (error).constructor.name !== 'WatchError') throw error
        }
      }
    })
  }
}

/** @type {Map<string, Promise<any>>} */
const turns = new Map()

/** @template Value @param {Promise<Value>} promise @returns {Promise<Value>} */
function bounded(promise) {
  return Promise.race([
    promise,
    new Promise((_, reject) => setTimeout(reject, 1500, new Error('the store does not answer')).unref()),
  ])
}

async function serve() {
  const store = process.env.REDIS_URL ? await redis(process.env.REDIS_URL) : lmdb()
  http
    .createServer(async (req, res) => {
      const [route, query] = (req.url ?? '').split('?')
      /** @param {number} code @param {object} [body] */
      const end = (code, body) => {
        res.statusCode = code
        res.end(body && JSON.stringify(body))
      }
      // s:<32 bytes>, as express-session writes it, percent and all
      const sent = decode(/(^|; ?)sid=([^; ]*)/.exec(req.headers.cookie ?? '')?.[2] ?? '')
      const id = /^s:[\w-]{43}$/.test(sent) ? sent : 's:nobody'
      try {
        if (route === '/' || route === '/render' || route === '/me') {
          if (req.method !== 'GET') return end(405)
          if (route === '/') return end(200, { pid: process.pid })
          if (route === '/render') {
            res.setHeader('content-type', 'text/html; charset=utf-8')
            return res.end(renderHandbook(new URLSearchParams(query).get('visitor') || 'x'))
          }
          const session = await bounded(store.count(id, 'visits'))
          return session ? end(200, { user: session.user, visits: session.visits }) : end(401)
        }
        if (route !== '/login' && route !== '/cart' && route !== '/logout') return end(404)
        if (req.method !== 'POST') return end(405)
        if (route === '/logout') {
          await bounded(store.logout(id))
          return end(204)
        }
        const body = await json(req)
        if (route === '/login') {
          if (typeof body?.user !== 'string' || body.user === '') return end(400)
          const fresh = `s:${randomBytes(32).toString('base64url')}`
          await bounded(store.login(fresh, body.user, id))
          res.setHeader('set-cookie', `sid=${encodeURIComponent(fresh)};Path=/;HttpOnly;SameSite=Lax`)
          return end(204)
        }
        const session = await bounded(store.count(id, 'items'))
        return session ? end(200, { items: session.items }) : end(401)
      } catch {
        end(503)
      }
    })
    .listen(PORT)
}

/** @param {string} text */
function decode(text) {
  try {
    return decodeURIComponent(text)
  } catch {
    return ''
  }
}

/** @param {import('node:http').IncomingMessage} req @returns {Promise<any>} */
async function json(req) {
  let text = ''
  for await (const chunk of req) text += chunk
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

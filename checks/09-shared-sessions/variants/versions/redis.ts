import { randomBytes } from 'node:crypto'
import { createClient, defineScript } from 'redis'
import type { Sessions } from './sessions.ts'
import { ttl } from './settings.ts'

const use = defineScript({
  SCRIPT: `
    if redis.call('EXISTS', KEYS[1]) == 0 then return {} end
    local count = redis.call('HINCRBY', KEYS[1], ARGV[1], 1)
    if ARGV[2] ~= '' then redis.call('HSET', KEYS[1], 'item:' .. count, ARGV[2]) end
    redis.call('PEXPIRE', KEYS[1], ARGV[3])
    return { count, redis.call('HGET', KEYS[1], 'user') }`,
  NUMBER_OF_KEYS: 1,
  parseCommand(parser, key: string, what: string, item: string) {
    parser.pushKey(key)
    parser.push(what, item, String(ttl))
  },
  transformReply: (reply: unknown) => reply as [] | [count: number, user: string],
})

type Client = ReturnType<typeof newClient>

function newClient(url: string) {
  return createClient({
    url,
    scripts: { use },
    disableOfflineQueue: true,
    pingInterval: 500,
    socket: { connectTimeout: 800, socketTimeout: 1500, reconnectStrategy: () => 100 },
  })
}

export class RedisSessions implements Sessions {
  readonly #client: Client

  private constructor(client: Client) {
    this.#client = client
  }

  static async connect(url: string): Promise<RedisSessions> {
    const client = newClient(url).on('error', () => {})
    await Promise.race([client.connect(), new Promise((resolve) => setTimeout(resolve, 3000))])
    return new RedisSessions(client)
  }

  async begin(user: string, old: string): Promise<string> {
    const id = randomBytes(20).toString('hex').toUpperCase()
    const start = this.#client.multi().hSet(`session/${id}`, { user }).pExpire(`session/${id}`, ttl)
    await this.#soon(start.del(`session/${old}`).exec())
    return id
  }

  async visit(id: string) {
    const [visits, user] = await this.#soon(this.#client.use(`session/${id}`, 'visits', ''))
    return visits === undefined ? undefined : { user: String(user), visits: Number(visits) }
  }

  async add(id: string, item: string) {
    const [items] = await this.#soon(this.#client.use(`session/${id}`, 'items', item))
    return items === undefined ? undefined : { items: Number(items) }
  }

  async end(id: string): Promise<void> {
    await this.#soon(this.#client.unlink(`session/${id}`))
  }

  #soon<Value>(promise: Promise<Value>): Promise<Value> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('Redis does not answer')), 700)
      promise.then(resolve, reject).finally(() => clearTimeout(timer))
    })
  }
}

/** A real Redis server of the checker's own, with the ways in which it can be away. */

import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { skip } from './check.ts'
import { openRaw } from './clients.ts'
import { seconds, until } from './patience.ts'
import { Inconclusive } from './problems.ts'
import type { Program } from './program.ts'
import { freePort, freshFolder, startTool } from './start.ts'

/** Where nothing is kept on the disk: a server that was killed comes back empty. Disposal kills it. */
export class RedisServer implements AsyncDisposable {
  readonly port: number
  readonly #folder: string
  #tool: Program | undefined

  constructor(port: number, folder: string) {
    this.port = port
    this.#folder = folder
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  /** Starts it on its port, again if it was killed; it answers when this resolves. */
  async run(): Promise<void> {
    const script = fileURLToPath(new URL('./processes/redis.mjs', import.meta.url))
    this.#tool = await startTool(script, String(this.port), this.#folder)
    for (let tries = 0; tries < 100; tries += 1) {
      if ((await this.ask('PING')).startsWith('+PONG')) return
      await until(() => undefined, { within: 50 })
    }
    throw new Inconclusive(
      `The checker's own redis-server did not answer within 5 s. It said: ${this.#tool.lastWords()}`,
    )
  }

  /** Kills it: connections are cut, new ones are refused, and what it held is gone. */
  async kill(): Promise<void> {
    await this.#tool?.end()
    this.#tool = undefined
  }

  /** Stopped by the kernel (SIGSTOP) until disposed: connections stay open, new ones open, and nothing is answered. */
  async stall(): Promise<AsyncDisposable> {
    const tool = this.#tool
    // It may answer before its tool has come to say which process it is.
    const pid = await tool?.until(() => Number(tool.lines('stdout')[0]) || undefined, { within: seconds(5) })
    if (tool === undefined) throw new Error('Redis does not run')
    if (pid === undefined) {
      throw new Inconclusive(
        `The checker's own redis-server was not started within 5 s. It said: ${tool.lastWords()}`,
      )
    }
    await tool.signal('SIGSTOP', pid)
    return {
      async [Symbol.asyncDispose]() {
        await tool.signal('SIGCONT', pid)
      },
    }
  }

  /** What it answers to one command, as it comes over the wire; empty where it does not. */
  async ask(command: string): Promise<string> {
    using client = await openRaw(this.port)
    client.send(`${command}\r\n`)
    await until(() => client.closed || isWhole(client.received) || undefined, { within: seconds(2) })
    return client.received
  }

  /** How often it was asked for each command, by the command's name in lower case. */
  async commands(): Promise<ReadonlyMap<string, number>> {
    const stats = await this.ask('INFO commandstats')
    return new Map(
      [...stats.matchAll(/^cmdstat_([^:\r\n]+):calls=(\d+)/gm)].map(([, name = '', calls]) => [
        name,
        Number(calls),
      ]),
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
  }
}

/** Starts one on a port of its own; ends the check as skipped where `redis-server` is not installed. */
export async function startRedis(): Promise<RedisServer> {
  try {
    execFileSync('redis-server', ['--version'], { stdio: 'ignore' })
  } catch {
    skip(
      'The command `redis-server` is not installed, so nothing was looked at on Redis. Install it (apt-get install redis-server, brew install redis); it need not run.',
    )
  }
  const server = new RedisServer(await freePort(), await freshFolder())
  await server.run()
  return server
}

/** A status, or a bulk string with its announced bytes: all that is asked for here. */
function isWhole(reply: string): boolean {
  const bulk = /^\$(\d+)\r\n/.exec(reply)
  return bulk === null ? reply.endsWith('\r\n') : reply.length >= bulk[0].length + Number(bulk[1]) + 2
}

/** One line of JSON for each request, and the id that joins it with the lines of others. */

import cluster from 'node:cluster'
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { performance } from 'node:perf_hooks'

/** Anybody can send an id. Only what is harmless in any log, header or shell is taken over. */
const safeId = /^[\w.-]{1,128}$/
/** Lines of all workers meet in one pipe, which keeps a write in one piece up to 4,096 bytes (Linux, pipe(7)). */
const longestUrl = 1024

/** The client's id if it is a safe one, else a fresh one: unique over all workers, as no counter would be. */
export function requestIdOf({ headers }: IncomingMessage): string {
  const offered = headers['x-request-id']
  return typeof offered === 'string' && safeId.test(offered) ? offered : randomUUID()
}

/** Writes the line when the answer is over, or when the client has gone before: `close` comes once in either case. */
export function logWhenOver(request: IncomingMessage, response: ServerResponse, requestId: string): void {
  const began = performance.now()
  response.once('close', () => {
    const { writableFinished: whole, statusCode: status } = response
    log(status >= 500 || !whole ? 'warn' : 'info', {
      requestId,
      method: request.method,
      url: request.url?.slice(0, longestUrl),
      status,
      ms: Math.round((performance.now() - began) * 10) / 10,
      ...(whole ? {} : { aborted: true }),
    })
  })
}

/** JSON.stringify escapes what would end the line or the string, whoever sent it. */
export function log(level: 'info' | 'warn' | 'fatal', fields: object): void {
  const line = {
    time: new Date().toISOString(),
    level,
    pid: process.pid,
    worker: cluster.worker?.id,
    ...fields,
  }
  // Unlike a bare write, it takes no offence when nobody reads its output any more.
  console.log(JSON.stringify(line))
}

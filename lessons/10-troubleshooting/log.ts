/** One line of JSON for each request, and the id that joins it with the lines of others. */

import cluster from 'node:cluster'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { performance } from 'node:perf_hooks'

let count = 0

/** The client's id if it sends one, else the next number. */
export function requestIdOf({ headers }: IncomingMessage): string {
  return String(headers['x-request-id'] ?? ++count)
}

/** Writes the line when the answer is over, or when the client has gone before: `close` comes once in either case. */
export function logWhenOver(request: IncomingMessage, response: ServerResponse, requestId: string): void {
  const { method, url } = request
  const began = performance.now()
  response.once('close', () => {
    const ms = Math.round(performance.now() - began)
    const who = `"time":"${new Date().toISOString()}","level":"info","pid":${process.pid},"worker":${cluster.worker?.id}`
    const what = `"requestId":"${requestId}","method":"${method}","url":"${url}","status":${response.statusCode},"ms":${ms}`
    console.log(`{${who},${what}}`)
  })
}

/** A line that is no request's. */
export function log(level: 'fatal', fields: object): void {
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

/**
 * Requests that Node cuts by itself. In newer versions `server.close()`, which every worker's `disconnect()` calls,
 * closes connections on which nothing has arrived yet as well (https://github.com/nodejs/node/pull/63470; 26 does, 20
 * to 24 do not). A request on its way to a worker that begins to drain is reset then, whatever the program does.
 */

import { createServer } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import type { Asked } from './clients.ts'
import type { Program } from './program.ts'

/** A reset reaches its client so long after the close at most, and clocks of two processes differ by a little. */
const LATEST_MS = 250
const EARLIEST_MS = 20

let cutsSilent = false
let probed = false

/** Finds out what this Node does; it is the one that programs run on, too. */
export function probeNode(): void {
  if (probed) return
  probed = true
  const server = createServer()
  server.listen(0, '127.0.0.1', () => {
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
    const giveUp = setTimeout(() => {
      client.removeAllListeners('close').destroy()
    }, 500)
    client.on('error', () => {})
    client.on('close', () => {
      cutsSilent = true
      clearTimeout(giveUp)
    })
    server.once('connection', () => setImmediate(() => server.close()))
  })
}

/** The results without the requests that were reset because a worker's server began to close just then. */
export function withoutCutByNode(program: Program, results: readonly Asked[]): readonly Asked[] {
  if (!cutsSilent) return results
  const closings = program.eventsOf('server-closing').map(({ at }) => at)
  return results.filter(
    (result) =>
      result.ok ||
      result.code !== 'ECONNRESET' ||
      result.head !== undefined ||
      !closings.some((at) => result.at >= at - EARLIEST_MS && result.at <= at + LATEST_MS),
  )
}

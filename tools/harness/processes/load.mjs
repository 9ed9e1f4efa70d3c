/**
 * The load generator: autocannon in a process of its own, so that what it costs can be told from what the program
 * under load costs. One slice per line on standard input, one report per line on standard output.
 *
 * Every request opens a connection of its own (`reconnectRate: 1`), since the kernel and the primary share out
 * connections, not requests. Few visitors ask again and again, so that a page that is kept from one request to the
 * next costs next to nothing: in a quarter of the time each client asks for a visitor of its own, in the rest all ask
 * for the same one. An answer counts at the time when its head arrives: with one request per connection and one
 * connection at a time per client, that is once per whole answer. (Autocannon itself does not count the last answer
 * before a reconnection.) When the slice is over each client finishes what it has begun, so that nothing of a slice
 * runs into the next.
 */

import { performance } from 'node:perf_hooks'
import { createInterface } from 'node:readline'
import autocannon from 'autocannon'

/** @typedef {{ id: number, port: number, connections: number, ms: number, path: string, headers?: Record<string, string> }} Slice */

const GIVE_UP_AFTER_MS = 20_000

const lines = createInterface({ input: process.stdin })
lines.on('line', (line) => void fire(JSON.parse(line)))
lines.on('close', () => process.exit(0))
say({ type: 'ready' })

/** @param {Record<string, unknown>} message */
function say(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`)
}

function now() {
  return performance.timeOrigin + performance.now()
}

let asked = 0

/** @param {number} client counted from 0 */
function nextVisitor(client) {
  asked += 1
  return asked % 64 < 16 ? `visitor-${client % 4}` : 'the-same-for-all'
}

/** @param {Slice} slice */
async function fire({ id, port, connections, ms, path, headers = {} }) {
  const start = now()
  const usage = process.cpuUsage()
  const idleBefore = performance.eventLoopUtilization()
  const end = start + ms
  /** Arrival times of the heads of answers, ms since the epoch. @type {number[]} */
  const times = []
  const faults = { interim: 0, status: 0, wrongPage: 0, failed: 0 }
  let bytes = 0
  const left = new Set()
  let clients = 0

  await new Promise((resolve) => {
    // Typed as a promise only; it is an emitter with `stop` as well.
    const instance = /** @type {any} */ (
      autocannon({
        // A client's first request is built before `setupRequest` is asked.
        url: `http://127.0.0.1:${port}${path}first-${id}`,
        headers,
        connections,
        duration: 3_600,
        timeout: 10,
        reconnectRate: 1,
        sampleInt: 10,
        excludeErrorStats: true,
        requests: [{}],
        setupClient: (/** @type {any} */ client) => follow(client, clients++),
      })
    )
    instance.on('done', () => resolve(undefined))

    /** @param {any} client @param {number} index */
    function follow(client, index) {
      let visitor = `first-${id}`
      let named = true
      client.requestIterator.requests[0].setupRequest = (/** @type {object} */ request) => {
        visitor = nextVisitor(index)
        return { ...request, path: `${path}${visitor}` }
      }
      client.on('request', () => {
        if (now() >= end) leave(client)
      })
      client.on('headers', (/** @type {{ statusCode: number }} */ head) => {
        times.push(now())
        if (!named) faults.wrongPage += 1
        named = false
        // autocannon takes the head of a 103 for that of the answer.
        if (head.statusCode < 200) faults.interim += 1
        else if (head.statusCode !== 200) faults.status += 1
      })
      client.on('body', (/** @type {Buffer} */ body) => {
        bytes += body.length
        named ||= body.includes(visitor)
      })
      client.on('connError', () => fail(client))
      client.on('timeout', () => fail(client))
    }

    /** @param {any} client */
    function fail(client) {
      faults.failed += 1
      // A program that is gone would be tried again at once, for ever.
      if (faults.failed > 50 || now() > start + GIVE_UP_AFTER_MS) leave(client)
    }

    /**
     * A tick later, since autocannon goes on to write the request and to set its time-out, which would outlive the
     * client; the connection is not yet open then, so that the program sees no request.
     * @param {any} client
     */
    function leave(client) {
      if (left.has(client)) return
      left.add(client)
      process.nextTick(() => {
        client.destroy()
        if (left.size === connections) instance.stop()
      })
    }
  })

  const { user, system } = process.cpuUsage(usage)
  const busy = performance.eventLoopUtilization(idleBefore).utilization
  say({ type: 'slice', id, start, end, times, bytes, ...faults, cpuMs: (user + system) / 1000, busy })
}

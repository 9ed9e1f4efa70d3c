/** Ports for programs under check. */

import net from 'node:net'

/** Below every platform's ephemeral range (Linux 32768, macOS 49152), so that no outgoing connection takes one. */
const FIRST = 20_000
const LAST = 31_999

/** @type {Set<number>} */
const given = new Set()

/** A port that is free on every address now and that this run has not given out before. @returns {Promise<number>} */
export async function freePort() {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST + 1))
    if (given.has(port)) continue
    if ((await isFree(port, '0.0.0.0')) && (await isFree(port, '::'))) {
      given.add(port)
      return port
    }
  }
  throw new Error(`no free port was found between ${FIRST} and ${LAST}`)
}

/** @param {number} port @param {string} host @returns {Promise<boolean>} */
function isFree(port, host) {
  return new Promise((resolve) => {
    const server = net.createServer()
    // No IPv6 on this machine is not a port in use.
    server.once('error', (error) => {
      resolve(
        ['EAFNOSUPPORT', 'EADDRNOTAVAIL'].includes(/** @type {NodeJS.ErrnoException} */ (error).code ?? ''),
      )
    })
    server.listen({ port, host, ipv6Only: host === '::', exclusive: true }, () =>
      server.close(() => resolve(true)),
    )
  })
}

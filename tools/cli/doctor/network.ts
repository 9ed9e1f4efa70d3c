/** Ports and loopback: what programs under check listen on, and what the learner's own experiments use. */

import { readFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { outputOf } from './command.ts'
import type { Finding } from './finding.ts'

/** What `npm run lesson N run` listens on where nothing else is said. */
const ownPorts = [
  { port: 8000, variable: 'PORT', other: 8001 },
  { port: 9000, variable: 'ADMIN_PORT', other: 9001 },
] as const

export async function lookAtPorts(): Promise<Finding> {
  const subject = 'ports'
  const problems = await Promise.all(
    ownPorts.map(async (one) => ({ ...one, problem: await problemWith(one.port) })),
  )
  const taken = problems.filter(({ problem }) => problem !== undefined)
  if (taken.length === 0) return { subject, fitness: 'good', found: '8000 and 9000 are free' }
  const settings = taken.map(({ variable, other }) => `${variable}=${other}`).join(' ')
  return {
    subject,
    fitness: 'caution',
    found: taken.map(({ port, problem }) => `${port} ${problem}`).join(', '),
    advice: `For your own experiments take another: ${settings} npm run lesson 5 run. The checks pick free ports by themselves.`,
  }
}

/** The checker's own ports (tools/harness/processes/ports.mjs) lie below the ephemeral range of both systems. */
const firstPort = 20_000
const lastPort = 31_999

export async function lookAtEphemeralPorts(): Promise<Finding> {
  const range = await ephemeralRange()
  return judgeEphemeralPorts(range)
}

export function judgeEphemeralPorts(range: readonly [number, number] | undefined): Finding {
  const subject = 'port range'
  if (range === undefined) return { subject, fitness: 'good', found: 'not told here' }
  const [first, last] = range
  const found = `outgoing connections take ${first} to ${last}`
  if (first > lastPort || last < firstPort) return { subject, fitness: 'good', found }
  return {
    subject,
    fitness: 'caution',
    found,
    advice:
      `The checks listen between ${firstPort} and ${lastPort}, where an outgoing connection may now take a port away. On ` +
      'Linux: sudo sysctl -w net.ipv4.ip_local_port_range="32768 60999"',
  }
}

export async function lookAtLoopback(): Promise<Finding> {
  const subject = 'loopback'
  const [four, six] = await Promise.all([answers('127.0.0.1'), answers('::1')])
  const note = six === undefined ? ', IPv6 too' : '; no IPv6, which is not needed'
  if (four === undefined) return { subject, fitness: 'good', found: `127.0.0.1 answers${note}` }
  return {
    subject,
    fitness: 'bad',
    found: `127.0.0.1 does not answer (${four})`,
    advice:
      'The checks speak to programs over it: allow loopback connections in the firewall or the sandbox.',
  }
}

/** Why nobody can listen there on every address, if so. */
function problemWith(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code === 'EADDRINUSE' ? 'is taken by another program' : `cannot be used (${error.code})`),
    )
    server.listen({ port, exclusive: true }, () => server.close(() => resolve(undefined)))
  })
}

/** Why a connection to oneself does not come about, if so. */
function answers(host: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.end('x'))
    const end = (problem: string | undefined): void => {
      clearTimeout(late)
      server.close()
      resolve(problem)
    }
    const late = setTimeout(() => end('no answer within 2 s'), 2000)
    const fail = (error: NodeJS.ErrnoException): void => end(error.code ?? error.message)
    server.once('error', fail)
    server.listen(0, host, () => {
      const socket = connect((server.address() as AddressInfo).port, host)
      socket.once('error', fail)
      socket.once('data', () => {
        socket.destroy()
        end(undefined)
      })
    })
  })
}

async function ephemeralRange(): Promise<readonly [number, number] | undefined> {
  const numbers = /(\d+)\s+(\d+)/.exec(
    process.platform === 'darwin'
      ? ((await outputOf('sysctl', ['-n', 'net.inet.ip.portrange.first', 'net.inet.ip.portrange.last'])) ??
          '')
      : textOf('/proc/sys/net/ipv4/ip_local_port_range'),
  )
  return numbers === null ? undefined : [Number(numbers[1]), Number(numbers[2])]
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** Whether a port can be reached from other machines, as the kernel sees it. */

import { readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { openRaw } from './clients.ts'
import type { Program } from './program.ts'

/**
 * The addresses on which somebody listens on this port: from the kernel's table of sockets on Linux, elsewhere from
 * what the program's own processes told. `127.0.0.1`, `0.0.0.0`, `::`, `::1`, … Empty: nobody.
 */
export function addressesOf(program: Program, port: number): readonly string[] {
  const tables = [readTable('/proc/net/tcp'), readTable('/proc/net/tcp6')]
  if (tables[0] === undefined) return addressesTold(program, port)
  return tables.flatMap((table) => listenersIn(table ?? '', port))
}

/** Whether an address is the machine's own loopback. */
export function isLoopback(address: string): boolean {
  return /^(::ffff:)?127\./.test(address) || address === '::1'
}

/** Whether a connection to this port from another of this machine's addresses is taken; undefined where it has none. */
export async function isReachableOffLoopback(port: number): Promise<boolean | undefined> {
  const addresses = Object.values(networkInterfaces()).flatMap((all) =>
    (all ?? []).filter(({ internal, scopeid }) => !internal && !scopeid).map(({ address }) => address),
  )
  if (addresses.length === 0) return undefined
  for (const address of addresses) {
    using client = await openRaw(port, address)
    if (client.failure === undefined && !client.closed) return true
  }
  return false
}

function readTable(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return undefined
  }
}

const LISTEN = '0A'

/** The local addresses of listening sockets: the format of proc(5), hexadecimal, each 32 bits in the host's order. */
function listenersIn(table: string, port: number): readonly string[] {
  return table
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [, local = '', , state] = line.trim().split(/\s+/)
      const [address = '', hexPort = ''] = local.split(':')
      if (state !== LISTEN || Number.parseInt(hexPort, 16) !== port) return []
      return [address.length === 8 ? ipv4From(address) : ipv6From(address)]
    })
}

function ipv4From(hex: string): string {
  return bytesOf(hex).toReversed().join('.')
}

function ipv6From(hex: string): string {
  const words = hex.match(/.{8}/g) ?? []
  const bytes = words.flatMap((word) => bytesOf(word).toReversed())
  if (bytes.every((byte) => byte === 0)) return '::'
  if (bytes.slice(0, 15).every((byte) => byte === 0) && bytes[15] === 1) return '::1'
  const mapped = bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 255 && bytes[11] === 255
  if (mapped) return `::ffff:${bytes.slice(12).join('.')}`
  const groups = Array.from({ length: 8 }, (_, index) =>
    (((bytes[2 * index] ?? 0) << 8) | (bytes[2 * index + 1] ?? 0)).toString(16),
  )
  return groups.join(':')
}

function bytesOf(hex: string): readonly number[] {
  return (hex.match(/../g) ?? []).map((byte) => Number.parseInt(byte, 16))
}

function addressesTold(program: Program, port: number): readonly string[] {
  const told = program.eventsOf('server-listening').filter((event) => event.port === port)
  return told.flatMap((event) => event.address ?? [])
}

/** Sockets that somebody listens on, from /proc/net: proc(5). Linux only. */

import { readdirSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { read } from './survivors.ts'

/** A port, or the path of a Unix socket. */
export type Place = number | string

const LISTEN = '0A'
/** Of a Unix socket: `__SO_ACCEPTCON` of the kernel. */
const ACCEPTS = 0x1_0000

/** Each socket that somebody listens on, by its inode. */
export function listening(): ReadonlyMap<string, Place> {
  const open = new Map<string, Place>()
  for (const path of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of read(path).split('\n').slice(1)) {
      const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/)
      if (state === LISTEN) open.set(inode, Number.parseInt(local.split(':')[1] ?? '', 16))
    }
  }
  for (const line of read('/proc/net/unix').split('\n').slice(1)) {
    const [, , , flags = '', , , inode = '', path = '(unnamed)'] = line.trim().split(/\s+/)
    if ((Number.parseInt(flags, 16) & ACCEPTS) !== 0) open.set(inode, path)
  }
  return open
}

/** Those of them that these processes hold. */
export function listenersOf(pids: readonly string[]): ReadonlyMap<string, Place> {
  const held = new Set(pids.flatMap((pid) => linksIn(`/proc/${pid}/fd`)))
  return new Map([...listening()].filter(([inode]) => held.has(`socket:[${inode}]`)))
}

function linksIn(path: string): readonly string[] {
  try {
    return readdirSync(path).map((name) => {
      try {
        return readlinkSync(join(path, name))
      } catch {
        return ''
      }
    })
  } catch {
    return []
  }
}

/** The ids of sessions: what the client holds, and what the store knows it by. */

import { createHash, randomBytes } from 'node:crypto'

/** 256 bits that nobody can guess, in characters that a cookie may hold. */
export function newId(): string {
  return randomBytes(32).toString('base64url')
}

/**
 * The store knows a session by the hash of its id: who reads the store, or a copy of it, holds no session by that.
 * And whatever a client sends, of any length and in any characters, becomes a key of 43 harmless ones.
 */
export function keyOf(id: string): string {
  return createHash('sha256').update(id).digest('base64url')
}

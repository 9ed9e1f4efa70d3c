/** Which worker a proxy's primary gives a user's requests to, by the header `x-user`. */

import type { Agent } from 'node:http'
import { jsonOf, type Answer } from './http.ts'
import type { Program } from './program.ts'

/** The header of this user; none for nobody. */
export function asUser(user: string | undefined): Record<string, string> {
  return user === undefined ? {} : { 'x-user': user }
}

/** The process that answered `/`: its stamp, or what it says of itself where a stamp got lost on the way. */
export function answeringPid(answer: Answer): number {
  return answer.servedBy?.role === 'worker' ? answer.servedBy.pid : Number(jsonOf(answer)?.['pid'] ?? 0)
}

/** Who answers this user now, by pid: over a fresh connection, unless an agent is given. */
export async function workerOf(
  program: Program,
  user: string,
  { agent, read }: { readonly agent?: Agent; readonly read: string },
): Promise<number> {
  return answeringPid(await program.get('/', { headers: asUser(user), read, ...(agent && { agent }) }))
}

/** Who answers each of these users now, by pid, all at once, each over a fresh connection. */
export async function workersOf(
  program: Program,
  users: readonly string[],
  read: string,
): Promise<ReadonlyMap<string, number>> {
  const pids = await Promise.all(users.map((user) => workerOf(program, user, { read })))
  return new Map(users.map((user, index) => [user, pids[index] ?? 0]))
}

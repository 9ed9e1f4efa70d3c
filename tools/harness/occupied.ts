/** Requests that keep workers of a proxy busy for as long as a check wants, and where others go meanwhile. */

import { openRequest, type OpenRequest } from './clients.ts'
import { seconds } from './patience.ts'
import type { Program } from './program.ts'
import { answeringPid, asUser } from './users.ts'

/** Disposal ends them as a client does: the uploads are finished, and the answers awaited. */
export interface Occupied extends AsyncDisposable {
  readonly requests: readonly OpenRequest[]
}

/** So many requests of each of these users: uploads to `/echo` whose answers have begun, and which go on. */
export async function occupy(program: Program, users: readonly string[], each: number): Promise<Occupied> {
  const requests = users.flatMap((user) =>
    Array.from({ length: each }, () =>
      openRequest(program.port, '/echo', { method: 'POST', headers: asUser(user) }),
    ),
  )
  for (const request of requests) request.write('a part')
  const all = (is: (request: OpenRequest) => boolean): Promise<unknown> =>
    program.until(() => requests.every(is) || undefined, { within: seconds(10) })
  await all(({ bytes, failure }) => bytes > 0 || failure !== undefined)
  return {
    requests,
    async [Symbol.asyncDispose]() {
      for (const request of requests) request.end()
      await all(({ over, failure }) => over || failure !== undefined)
    },
  }
}

/** The part of so many requests for `/`, by so many clients at once and of no user, that this process answers. */
export async function partAnsweredBy(
  program: Program,
  pid: number,
  { requests, clients, read }: { readonly requests: number; readonly clients: number; readonly read: string },
): Promise<number> {
  let left = requests
  let theirs = 0
  const client = async (): Promise<void> => {
    while (left > 0) {
      left -= 1
      if (answeringPid(await program.get('/', { read })) === pid) theirs += 1
    }
  }
  await Promise.all(Array.from({ length: clients }, client))
  return theirs / requests
}

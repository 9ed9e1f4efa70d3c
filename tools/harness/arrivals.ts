/** Requests that are followed into the process that gets them. */

import type { Agent } from 'node:http'
import { openRequest, type OpenRequest } from './clients.ts'
import { seconds } from './patience.ts'
import type { Program } from './program.ts'

const MARK = 'x-every-core-mark'

/** A request under way whose arrival and end are seen inside the worker. Disposal goes away. */
export class FollowedRequest implements Disposable {
  readonly #program: Program
  readonly #mark: string
  readonly open: OpenRequest

  constructor(program: Program, path: string, mark: string, agent?: Agent) {
    this.#program = program
    this.#mark = mark
    this.open = openRequest(program.port, path, { headers: { [MARK]: mark }, ...(agent && { agent }) }).end()
  }

  /** When a worker got it, in ms since the epoch; undefined before. */
  get arrivedAt(): number | undefined {
    return this.#arrival?.at
  }

  /** When its answer had ended there, or its connection. */
  get closedAt(): number | undefined {
    const arrival = this.#arrival
    return this.#program
      .eventsOf('request-closed')
      .find(({ id, pid }) => id === arrival?.id && pid === arrival.pid)?.at
  }

  get status(): number | undefined {
    return this.open.head?.status
  }

  /** Waits until a worker has got it; false when none does in time. */
  async arrives(within = seconds(5)): Promise<boolean> {
    return (await this.#program.until(() => this.arrivedAt, { within })) !== undefined
  }

  /** Waits until it has ended in the worker; false when it does not in time. */
  async closes(within = seconds(20)): Promise<boolean> {
    return (await this.#program.until(() => this.closedAt, { within })) !== undefined
  }

  /** The status that comes within so many ms, if one does. */
  async statusWithin(within: number): Promise<number | undefined> {
    return this.#program.until(() => this.status, { within })
  }

  [Symbol.dispose](): void {
    this.open[Symbol.dispose]()
  }

  get #arrival() {
    return this.#program
      .eventsOf('request')
      .find(({ rawHeaders }) =>
        rawHeaders.some((text, index) => text === MARK && rawHeaders[index + 1] === this.#mark),
      )
  }
}

let followed = 0

/** Sends a GET, over a connection of its own unless an agent is given; workers have to be watched (`watchRequests`). */
export function follow(program: Program, path: string, agent?: Agent): FollowedRequest {
  followed += 1
  return new FollowedRequest(program, path, String(followed), agent)
}

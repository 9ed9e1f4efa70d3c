/** What a check has done to a program: signals, faults, requests and load, with their times. */

import diagnostics from 'node:diagnostics_channel'
import { errorMonitor } from 'node:events'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { serverOf } from './http.ts'

export type Deed = { readonly at: number } & (
  | { readonly type: 'signal'; readonly signal: string; readonly pid: number | 'group' }
  /** A command to the observer in one process; see `obey` in processes/observer.mjs. */
  | { readonly type: 'command'; readonly pid: number; readonly command: Readonly<Record<string, unknown>> }
  | Asked
  | { readonly type: 'load'; readonly ms: number }
)

export interface Asked {
  readonly at: number
  readonly type: 'request'
  readonly method: string
  readonly path: string
  readonly admin: boolean
  /** Who answered, if it is known. */
  readonly pid: number | undefined
  /** `200 after 3 ms`, or why there is none (yet). */
  readonly outcome: string
}

type Told = Deed extends infer Each ? (Each extends Deed ? Omit<Each, 'at'> : never) : never

/** A check that asks again and again is told of up to here. */
const MOST = 5_000

export class Deeds {
  readonly #all: (Deed | (() => Deed))[] = []

  get all(): readonly Deed[] {
    return this.#all.map((deed) => (typeof deed === 'function' ? deed() : deed))
  }

  /** Now. */
  add(deed: Told): void {
    if (this.#all.length < MOST) this.#all.push({ ...deed, at: Deeds.now() })
  }

  /** A request that begins now; what comes of it is known later. */
  follow(request: ClientRequest, admin: boolean): void {
    if (this.#all.length >= MOST) return
    const { method, path } = request
    let asked: Asked = {
      at: Deeds.now(),
      type: 'request',
      method,
      path,
      admin,
      pid: undefined,
      outcome: 'no answer up to the failure',
    }
    let failure: string | undefined
    request.once(errorMonitor, (error: NodeJS.ErrnoException) => (failure = error.code ?? error.message))
    // Not 'response': whoever listens for that has to read the answer.
    request.once('close', () => (asked = { ...asked, ...endOf(request, asked.at, failure) }))
    this.#all.push(() => asked)
  }

  /** Milliseconds since the epoch, as the events of programs have it. */
  static now(): number {
    return performance.timeOrigin + performance.now()
  }
}

interface Place {
  readonly deeds: Deeds
  readonly admin: boolean
}

const byPort = new Map<number, Place>()

/** From now on requests of this process to these ports are deeds of this program. */
export function followRequests(
  deeds: Deeds,
  ports: { readonly port: number; readonly adminPort: number },
): void {
  if (byPort.size === 0) diagnostics.subscribe('http.client.request.start', onRequest)
  byPort.set(ports.adminPort, { deeds, admin: true })
  byPort.set(ports.port, { deeds, admin: false })
}

/** Another program may have got one of these ports by now: that one is followed on. */
export function unfollowRequests(deeds: Deeds): void {
  for (const [port, place] of byPort) if (place.deeds === deeds) byPort.delete(port)
  if (byPort.size === 0) diagnostics.unsubscribe('http.client.request.start', onRequest)
}

/** Node tells of every request that `node:http` sends, whichever client of the harness it is. */
function onRequest(message: unknown): void {
  const { request } = message as { readonly request: ClientRequest }
  const place = byPort.get(Number(String(request.getHeader('host')).split(':')[1]))
  place?.deeds.follow(request, place.admin)
}

function endOf(
  request: ClientRequest,
  begun: number,
  failure: string | undefined,
): Pick<Asked, 'pid' | 'outcome'> {
  // `res` is there, if not in the types (lib/_http_client.js).
  const { res } = request as ClientRequest & { readonly res: IncomingMessage | null | undefined }
  const time = `after ${Math.round(Deeds.now() - begun)} ms`
  const pid = res ? serverOf(res.headers)?.pid : undefined
  if (res?.complete === true) return { pid, outcome: `${res.statusCode} ${time}` }
  if (failure !== undefined) return { pid, outcome: `no answer (${failure}) ${time}` }
  return {
    pid,
    outcome: res ? `${res.statusCode}, but not whole, ${time}` : `given up ${time}`,
  }
}

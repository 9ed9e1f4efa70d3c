/** Whose fault a failed request is: which process had begun it, and whether that one was hit by a fault. */

import { tellsNothing, type Asked } from './clients.ts'
import { withoutCutByNode } from './cut-by-node.ts'
import type { Program } from './program.ts'

/** What was done to a worker, on the patient clock: from just before the fault until it was surely gone. */
export interface Hit {
  readonly pid: number
  readonly from: number
  readonly until: number
}

export interface Blame {
  /** Begun by a worker that was hit then. */
  readonly lost: readonly Asked[]
  /** Begun by nobody, at a time of a hit: it was on its way to the worker, or in its hands. */
  readonly onTheWay: readonly Asked[]
  /** Neither: it should have been answered. `begunBy`: pids of workers, where one had begun it. */
  readonly unexcused: readonly { readonly asked: Asked; readonly begunBy: readonly number[] }[]
}

/**
 * Sorts the requests that were not answered 200; those that tell nothing (see `tellsNothing`), and those that Node cuts
 * by itself, are left out. The program has to be started with `watchRequests`, and every path asked for has to be its
 * own, so that a request can be told in the process that it came to.
 */
export function blameFor(program: Program, results: readonly Asked[], hits: readonly Hit[]): Blame {
  const failed = withoutCutByNode(program, results).filter(
    (result) => (!result.ok || result.status !== 200) && !tellsNothing(result),
  )
  const begun = new Map<string, number[]>()
  for (const { url, pid } of program.eventsOf('request')) begun.set(url, [...(begun.get(url) ?? []), pid])
  const workers = new Set(program.workers.map((worker) => worker.pid))
  const lost: Asked[] = []
  const onTheWay: Asked[] = []
  const unexcused: { asked: Asked; begunBy: readonly number[] }[] = []
  for (const asked of failed) {
    const begunBy = (begun.get(asked.path) ?? []).filter((pid) => workers.has(pid))
    const then = hits.filter((hit) => asked.sentAt <= hit.until && asked.endedAt >= hit.from)
    if (then.some((hit) => begunBy.includes(hit.pid))) lost.push(asked)
    else if (begunBy.length === 0 && then.length > 0) onTheWay.push(asked)
    else unexcused.push({ asked, begunBy })
  }
  return { lost, onTheWay, unexcused }
}

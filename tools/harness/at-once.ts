/** Whether requests that come at once share a render: what they cost, against as many of the reference's. */

import { keptConnections, type RequestOptions } from './http.ts'
import { measureFor, spentWhile, type Spent } from './gauge.ts'
import { Mismatch } from './problems.ts'
import type { Program } from './program.ts'
import { LEAST_COST } from './share.ts'

/** For each process that serves. Those that come while one renders are all there when it looks again. */
const AT_ONCE = 12
/** More would take long. */
const MOST_AT_ONCE = 48

/**
 * Of many requests for one visitor at once, each costs a render. Throws a Mismatch where three looks in a row say
 * otherwise; one that is enough decides, as other programs can only add to what a request costs.
 *
 * @param reference its one process
 */
export async function expectOneRenderEach(program: Program, reference: Program, read: string): Promise<void> {
  const requests = Math.min(AT_ONCE * Math.max(1, program.listening.length), MOST_AT_ONCE)
  using clients = keptConnections(requests)
  using clientsOfReference = keptConnections(requests)
  const ask = (): Promise<Spent> => costOf(program, clients, requests)
  const askReference = (): Promise<Spent> => costOf(reference, clientsOfReference, requests)
  // Opens the connections, as fresh ones are handed to a worker one at a time, and compiles the hot code.
  await Promise.all([askReference(), ask()])
  const ratios: number[] = []
  while (ratios.length < 3) {
    const due = await askReference()
    const spent = await ask()
    const of = measureFor([due, spent])
    const ratio = of(spent) / of(due)
    if (ratio >= LEAST_COST) return
    ratios.push(ratio)
  }
  throw new Mismatch({
    expected: `${requests} requests at once for one visitor cost the CPU time of ${requests} renders`,
    got: `${ratios.map((ratio) => ratio.toFixed(2)).join(', ')} of it`,
    likely: 'requests for the same visitor share a page',
    read,
    repeat: program.command,
  })
}

function costOf(program: Program, kept: RequestOptions, requests: number): Promise<Spent> {
  const path = '/render?visitor=all-at-once'
  const ask = (): Promise<unknown> => program.get(path, kept)
  return spentWhile(program, () => Promise.all(Array.from({ length: requests }, ask)))
}

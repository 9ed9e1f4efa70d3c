/** The verdicts are right wherever a person may have the project: on every Node, in odd places, under odd settings. */

import { auditNodes } from './places/nodes.ts'
import { auditOddPlaces } from './places/odd.ts'
import type { Tally } from './tally.ts'

export interface PlacesOptions {
  /** All solutions on each Node, and not a sample. */
  readonly whole: boolean
  /** Only the solutions of these lessons; all unless told. */
  readonly numbers?: readonly number[]
}

export async function auditPlaces(tally: Tally, options: PlacesOptions): Promise<void> {
  // Whoever names a lesson wants to know of its solution on every Node.
  if (options.numbers === undefined) await auditOddPlaces(tally, options)
  await auditNodes(tally, options)
}

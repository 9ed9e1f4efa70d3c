/** Drawing by lot, so that a run can be repeated. */

import { session } from './session.ts'

export interface Lot {
  /** What `npm run check N -- --seed` takes to draw the same again. */
  readonly seed: number
  /** These in an order drawn by lot. */
  shuffled<Item>(items: readonly Item[]): readonly Item[]
  /** One of these. */
  oneOf<Item>(items: readonly Item[]): Item
}

/** Draws from the seed that this grading was given, or from a new one. */
export function drawLots(seed: number = session().seed ?? Math.floor(Math.random() * 1e6)): Lot {
  const next = generator(seed)
  return {
    seed,
    shuffled(items) {
      return items
        .map((item) => ({ item, rank: next() }))
        .sort((one, other) => one.rank - other.rank)
        .map(({ item }) => item)
    },
    oneOf(items) {
      const item = items[Math.floor(next() * items.length)]
      if (item === undefined) throw new Error('there is nothing to draw from')
      return item
    },
  }
}

/** Numbers from 0 to 1, the same for the same seed: mulberry32 (Tommy Ettinger, public domain). */
function generator(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

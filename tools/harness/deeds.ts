/** What a check has done to a program: signals, faults, requests and load, with their times. */

export type Deed = { readonly at: number } & (
  | { readonly type: 'signal'; readonly signal: string; readonly pid: number | 'group' }
  /** A command to the observer in one process; see `obey` in processes/observer.mjs. */
  | { readonly type: 'command'; readonly pid: number; readonly command: Readonly<Record<string, unknown>> }
  | {
      readonly type: 'request'
      readonly method: string
      readonly path: string
      readonly admin: boolean
      /** Who answered, if it is known. */
      readonly pid: number | undefined
      /** The answer's status, or why none came. */
      readonly outcome: string
      readonly ms: number
    }
  | { readonly type: 'load'; readonly ms: number }
)

type Told = Deed extends infer Each ? (Each extends Deed ? Omit<Each, 'at'> : never) : never

/** A check that asks again and again is told of up to here. */
const MOST = 5_000

export class Deeds {
  readonly #all: Deed[] = []

  get all(): readonly Deed[] {
    return this.#all
  }

  /** @param at ms since the epoch, as the events of the program have it; now unless told */
  add(deed: Told, at: number = Deeds.now()): void {
    if (this.#all.length < MOST) this.#all.push({ ...deed, at } as Deed)
  }

  static now(): number {
    return performance.timeOrigin + performance.now()
  }
}

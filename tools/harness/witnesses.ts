/** Which program a failed claim is about, so that what happened to it can be told. */

import { dirname } from 'node:path'
import { Deeds } from './deeds.ts'
import { hindranceSince, textChangedSince } from './hindrance.ts'
import { Mismatch } from './problems.ts'
import type { Program } from './program.ts'

interface Witness {
  readonly program: Program
  /** Milliseconds since the epoch. */
  readonly failedAt: number
  /** What this machine did meanwhile, so that the failure says nothing about the program. */
  readonly hindrance: string | undefined
}

/** Programs of the lesson that is graded, the one that a check took or gave back last at the end. */
let touched: Program[] = []
/** When a check took hold of it for the first time (`performance.now()`). */
const takenAt = new WeakMap<Program, number>()
const remembered = new WeakMap<object, Witness>()

/** A check has taken hold of it, or given it back. */
export function touch(program: Program): void {
  touched = [...touched.filter((one) => one !== program), program]
  if (!takenAt.has(program)) takenAt.set(program, performance.now())
}

export function forgetWitnesses(): void {
  touched = []
}

/** What one of them has done to the keeper, if that is why nothing can be asked any more. */
export function harmToKeeper(): unknown {
  for (const program of touched) {
    try {
      program.refuseHarmToKeeper()
    } catch (error) {
      return error
    }
  }
  return undefined
}

/** To be called as soon as the claim has failed: other claims may go on beside it. */
export function rememberWitness(error: unknown): void {
  if (!(error instanceof Mismatch) || remembered.has(error)) return
  const { repeat } = error.finding
  const told = touched.filter(({ command }) => repeat === command || repeat?.startsWith(`${command} `))
  const program = told.at(-1) ?? touched.at(-1)
  if (program === undefined) return
  const hindrance =
    hindranceSince(takenAt.get(program) ?? 0, dirname(program.identity.dataDir)) ??
    textChangedSince(program.eventsOf('started')[0]?.at ?? Infinity)
  remembered.set(error, { program, failedAt: Deeds.now(), hindrance })
}

/** The program that a claim was about when it failed, if that is known. */
export function witnessOf(error: unknown): Witness | undefined {
  return error instanceof Mismatch ? remembered.get(error) : undefined
}

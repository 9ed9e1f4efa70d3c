/** What the grader hands to the checks: which program to judge, and where the keeper is. */

import { dirname, basename } from 'node:path'
import { expect, inject } from 'vitest'
import { Keeper, type KeeperAddress } from './keeper.ts'

export interface Session {
  /** The project's root, absolute. */
  readonly root: string
  readonly keeper: KeeperAddress
  /** The file under check of each lesson: slug to absolute path. */
  readonly files: Readonly<Record<string, string>>
  /** The name of the one check that runs; all unless told. */
  readonly only?: string
  /** How many gradings of throughput are tried before the one that counts; none unless told. */
  readonly trials?: number
  /** How many workers throughput is measured with; one for each core unless told. */
  readonly workers?: number
  /** What a check that draws by lot starts from; drawn anew unless told. */
  readonly seed?: number
}

declare module 'vitest' {
  interface ProvidedContext {
    everyCore: Session
  }
}

export function session(): Session {
  return inject('everyCore')
}

/** Whether one check alone runs, without those before it. */
export function oneCheckAlone(): boolean {
  // Unit tests have no session.
  return (inject('everyCore') as Session | undefined)?.only !== undefined
}

/** How many workers throughput has to be measured with; undefined unless somebody said so. */
export function workersAskedFor(): number | undefined {
  return (inject('everyCore') as Session | undefined)?.workers
}

/** The lesson whose check is running: the name of its folder. */
export function slug(): string {
  return basename(dirname(expect.getState().testPath ?? ''))
}

/** The file under check, absolute. */
export function fileUnderCheck(): string {
  const file = session().files[slug()]
  if (file === undefined) throw new Error(`no file was given for ${slug()}`)
  return file
}

let connected: { readonly address: KeeperAddress; readonly keeper: Promise<Keeper> } | undefined

/** The keeper of this run; a run has one, and a warm runner sees several runs. */
export async function keeper(): Promise<Keeper> {
  const { keeper: address } = session()
  if (connected?.address.token !== address.token) connected = { address, keeper: Keeper.connect(address) }
  // One that a program had stopped has been given up, and may go on.
  if ((await connected.keeper).gone) connected = { address, keeper: Keeper.connect(address) }
  return connected.keeper
}

/** Starts programs for checks, and lets checks share one that is unharmed. */

import { existsSync } from 'node:fs'
import type { Keeper } from './keeper.ts'
import { cores, inheritedEnvironment, planFor, shellCommand, type StartOptions } from './plans.ts'
import { Mismatch } from './problems.ts'
import { FILE_GONE, Program, type Identity } from './program.ts'
import { fileUnderCheck, keeper, session } from './session.ts'
import { settle } from './settle.ts'
import { settleProxy } from './settle-proxy.ts'
import { forgetWitnesses, touch } from './witnesses.ts'

export interface Start extends StartOptions {
  /** A process that no other check has met. */
  readonly fresh?: boolean
  /** Resolves at once, whatever it does. */
  readonly unready?: boolean
  /** Its primary is a proxy on PORT, and its workers listen elsewhere. */
  readonly proxy?: boolean
  /** How many workers shall listen before it is ready; WORKERS or the cores unless told, 0 for one process. */
  readonly expect?: number
}

const idle: Program[] = []
const idleOthers: Program[] = []
/** In the hands of a check. */
const held = new Set<Program>()

/**
 * The program under check, ready: all its expected workers listen. Without options it may be the one that was
 * started while the runner loaded, or one that an earlier check has left unharmed.
 */
export async function start(options: Start = {}): Promise<Program> {
  const { fresh = false, unready = false, proxy = false, expect, ...plain } = options
  if (!existsSync(fileUnderCheck())) throw new Mismatch(FILE_GONE)
  const taken = fresh ? undefined : take(idle, fileUnderCheck(), plain)
  const program = taken ?? (await hold(fileUnderCheck(), plain, fresh ? 'start' : 'adopt'))
  held.add(program)
  touch(program)
  if (unready) program.harmed = true
  else await (proxy ? settleProxy : settle)(program, expect ?? expectedWorkers(plain))
  return program
}

/** A program of the harness's own, in the care of the same keeper; one that is idle is used again. */
export async function shareOther(file: string, options: StartOptions = {}): Promise<Program> {
  const shelf = (program: Program): Promise<void> => shelve(idleOthers, program)
  return take(idleOthers, file, options) ?? (await hold(file, options, 'start', shelf))
}

/** Starts a plain-JavaScript tool of the harness's own: unobserved, with a pipe to its standard input. */
export async function startTool(script: string, ...words: readonly string[]): Promise<Program> {
  const { root } = session()
  const care = await keeper()
  const plan = {
    argv: [process.execPath, script, ...words],
    cwd: root,
    env: inheritedEnvironment(),
    observed: false,
    input: true,
  }
  const place = await care.request<Place>({ do: 'start', plan })
  const identity = { ...place, file: script, options: {}, command: `node ${script}` }
  return Program.hold(care, identity, (program) => program.end())
}

type Place = Pick<Identity, 'key' | 'port' | 'adminPort' | 'dataDir' | 'pid'>

/** The path of a folder under `.workshop/` that is not there yet; it is removed with the run, whatever is in it. */
export async function freshFolder(): Promise<string> {
  const care = await keeper()
  return (await care.request<{ path: string }>({ do: 'folder', root: session().root })).path
}

/** A port that is free now and that nobody else of this run gets. */
export async function freePort(): Promise<number> {
  const care = await keeper()
  return (await care.request<{ port: number }>({ do: 'port' })).port
}

/** Ends the programs under check that checks have left running, so that nothing else of theirs uses the cores. */
export async function endIdle(): Promise<void> {
  await Promise.all(idle.splice(0).map((program) => program.end()))
}

/** Ends everything that checks have left running, and what a check that was given up still holds. */
export async function endAll(): Promise<void> {
  forgetWitnesses()
  await Promise.all([...held].map((program) => program.end()))
  held.clear()
  await Promise.all([endIdle(), ...idleOthers.splice(0).map((program) => program.end())])
}

function expectedWorkers({ workers }: StartOptions): number {
  return typeof workers === 'number' ? workers : cores()
}

function take(shelf: Program[], file: string, options: StartOptions): Program | undefined {
  if (isSpecial(options)) return undefined
  const wanted = shellCommand(session().root, file, options)
  const index = shelf.findIndex((program) => program.command === wanted && program.identity.file === file)
  return index < 0 ? undefined : shelf.splice(index, 1)[0]
}

async function hold(
  file: string,
  options: StartOptions,
  how: 'start' | 'adopt',
  release: (program: Program) => Promise<void> = leave,
): Promise<Program> {
  const { root } = session()
  const care: Keeper = await keeper()
  const plan = planFor(root, file, options)
  const place = await care.request<Place>({ do: how, plan })
  const identity = { ...place, file, options, command: shellCommand(root, file, options) }
  return Program.hold(care, identity, release)
}

async function leave(program: Program): Promise<void> {
  held.delete(program)
  touch(program)
  if (isSpecial(program.identity.options)) await program.end()
  else await shelve(idle, program)
}

/** Whether it was started in a way that its command does not tell whole, so that it is of use to nobody else. */
function isSpecial(options: StartOptions): boolean {
  const { countMessages, recordMessages, watchRequests, muteWorkers, hollowForks } = options
  const { holdListen, port, withoutPort, dataDir, redis } = options
  const watched = countMessages === true || recordMessages === true || watchRequests === true
  const placed = [holdListen, port, withoutPort, dataDir, redis].some((option) => option !== undefined)
  return watched || muteWorkers === true || hollowForks === true || placed
}

async function shelve(shelf: Program[], program: Program): Promise<void> {
  if (program.harmed || program.ended !== undefined) await program.end()
  else shelf.push(program)
}

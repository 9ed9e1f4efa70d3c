/** Declares one claim about the program under check, and turns what comes of it into a result. */

import { afterAll, test, type TestContext } from 'vitest'
import { isFull } from './hindrance.ts'
import { Cancelled, EnvironmentProblem, Inconclusive, Mismatch } from './problems.ts'
import { endAll } from './start.ts'
import { session, slug } from './session.ts'
import { timelineOf, type Timeline } from './timeline.ts'
import type { CheckResult, Throughput } from './verdict.ts'
import { harmToKeeper, rememberWitness, witnessOf } from './witnesses.ts'

declare module 'vitest' {
  interface TaskMeta {
    everyCore?: {
      readonly result: CheckResult
      readonly throughput?: Throughput
      readonly environment?: { readonly message: string; readonly advice: string }
      readonly stack?: string
      /** Of the program that a failed check is about. */
      readonly timeline?: Timeline
    }
  }
}

/** Types of the annotations that carry what is live; see reporter.ts. */
export const LIVE = 'every-core'
export const TRIAL = 'every-core-trial'

interface Running {
  readonly context: TestContext
  readonly notes: string[]
  throughput: Throughput | undefined
}

const stopped = new WeakSet<object>()
let running: Running | undefined

/**
 * A claim in the domain's words. Claims of a lesson run in order and stop at the first that does not hold, because
 * later ones build on earlier ones.
 */
export function check(name: string, claim: () => Promise<void>): void {
  // Per check, as this module is loaded once for all lessons; ending nothing costs nothing.
  afterAll(endAll)
  test(name, { timeout: 0 }, async (context) => {
    const { file } = context.task
    const { only } = session()
    if (stopped.has(file) || (only !== undefined && only !== name)) return context.skip()
    const started = performance.now()
    running = { context, notes: [], throughput: undefined }
    let outcome: Outcome = { verdict: 'passed' }
    let timeline: Timeline | undefined
    try {
      await claim()
    } catch (error) {
      const told = error instanceof Cancelled ? (harmToKeeper() ?? error) : error
      rememberWitness(told)
      outcome = outcomeOf(told)
      timeline = timelineTo(told)
    }
    if (outcome.verdict !== 'passed' && outcome.verdict !== 'skipped') stopped.add(file)
    const { environment, stack, ...rest } = outcome
    const notes = [...running.notes, ...(rest.note === undefined ? [] : [rest.note])]
    context.task.meta.everyCore = {
      result: {
        name,
        ...rest,
        durationMs: Math.round(performance.now() - started),
        ...(notes.length > 0 && { note: notes.join(' ') }),
      },
      ...(running.throughput && { throughput: running.throughput }),
      ...(environment && { environment }),
      ...(stack !== undefined && { stack }),
      ...(timeline && { timeline }),
    }
    running = undefined
  })
}

/** What led to this, as far as one program tells it. */
function timelineTo(error: unknown): Timeline | undefined {
  const witness = witnessOf(error)
  if (witness === undefined || witness.hindrance !== undefined) return undefined
  const { command, events, deeds } = witness.program
  return timelineOf({ command, events, deeds: deeds.all, failedAt: witness.failedAt })
}

/** Says something worth telling that decides nothing. */
export function note(text: string): void {
  if (running !== undefined && !running.notes.includes(text)) running.notes.push(text)
}

/** Ends this check as skipped, with the reason: only for what this platform does not have. */
export function skip(reason: string): never {
  throw new Skipped(reason)
}

class Skipped extends Error {}

/** Hands what was measured to the result. */
export function measured(throughput: Throughput): void {
  if (running !== undefined) running.throughput = throughput
}

/** Tells those who watch, at once. */
export async function tellLive(message: unknown): Promise<void> {
  await running?.context.annotate(JSON.stringify(message), LIVE)
}

/** Tells of one grading of a series; see `npm run flakiness`. */
export async function tellTrial(trial: unknown): Promise<void> {
  await running?.context.annotate(JSON.stringify(trial), TRIAL)
}

/** A claim that does not fit a matcher: a Mismatch unless it holds. */
export function holds(
  condition: boolean,
  finding: ConstructorParameters<typeof Mismatch>[0],
): asserts condition {
  if (!condition) throw new Mismatch(finding)
}

const KEEPER_KILLED = {
  message: 'The process that keeps the programs under check was killed, or stopped.',
  advice:
    'Look whether the program, or a command that it runs, sends a signal to the parent of its first process. A system that is short of memory kills processes, too.',
}

function noRoom({ message }: Error): Exclude<Outcome['environment'], undefined> {
  return { message: `Nothing more can be written: ${message}.`, advice: 'Make room, and check again.' }
}

type Outcome = Omit<CheckResult, 'name' | 'durationMs'> & {
  readonly environment?: { readonly message: string; readonly advice: string }
  readonly stack?: string
}

function outcomeOf(error: unknown): Outcome {
  if (error instanceof Skipped) return { verdict: 'skipped', note: error.message }
  if (error instanceof Inconclusive) return { verdict: 'inconclusive', note: error.message }
  if (error instanceof Mismatch) {
    const { expected, got, likely, read, repeat } = error.finding
    const hindrance = witnessOf(error)?.hindrance
    if (hindrance !== undefined) {
      return {
        verdict: 'inconclusive',
        note: `${hindrance} What came says nothing about the program, then: ${got}. Check again.`,
      }
    }
    return {
      verdict: 'failed',
      expected,
      got,
      ...(likely !== undefined && { likely }),
      ...(read !== undefined && { read: `lessons/${slug()}/README.md#${read}` }),
      ...(repeat !== undefined && { repeat }),
    }
  }
  if (error instanceof EnvironmentProblem) {
    const { message, advice } = error
    return { verdict: 'broken', note: message, environment: { message, advice } }
  }
  // A grading that was cancelled has no result, so that nobody reads this of one.
  if (error instanceof Cancelled) {
    return { verdict: 'broken', note: KEEPER_KILLED.message, environment: KEEPER_KILLED }
  }
  if (isFull(error)) return { verdict: 'broken', note: error.message, environment: noRoom(error) }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return { verdict: 'broken', note: text.split('\n')[0] ?? '', stack: text }
}

/** What a check may expect of a program, in the domain's words. Every matcher fails with a Mismatch. */

import { expect } from 'vitest'
import { seconds } from './patience.ts'
import { Mismatch, type Finding } from './problems.ts'
import { describeEnding, type Program } from './program.ts'
import { expectOneCore, expectShare } from './throughput.ts'
import type { LostWorker, Worker } from './workers.ts'

type Advice = Pick<Finding, 'likely' | 'read'>

interface ProgramMatchers {
  /** So many workers were forked up to now, dead ones included. */
  toHaveForked(count: number, advice?: Advice): Promise<void>
  /** One worker takes the place of the lost one: forked once, listening and answering in time. Resolves to it. */
  toReplace(lost: LostWorker, options: { readonly within: number } & Advice & Partial<Finding>): Promise<void>
  /** The first process ends in time, with this exit code if one is given. */
  toEnd(options: { readonly within: number; readonly code?: number } & Advice): Promise<void>
  /** No process of it is left, in time. */
  toLeaveNoProcess(options: { readonly within: number } & Advice): Promise<void>
  /** At least this share of the available speed-up; see share.ts. */
  toGetShare(
    threshold: number,
    advice: { readonly read: string; readonly headers?: Readonly<Record<string, string>> },
  ): Promise<void>
  /** One core's throughput: at least this ratio of a plain process, at most this share of a cluster's gain. */
  toUseOneCore(bounds: {
    readonly ratio: number
    readonly share: number
    readonly read: string
  }): Promise<void>
}

declare module 'vitest' {
  // eslint-disable-next-line typescript/no-unused-vars -- the parameter has to be named as in vitest
  interface Assertion<T> extends ProgramMatchers {}
}

expect.extend({
  async toHaveForked(program: Program, count: number, advice: Advice = {}) {
    // One that starts its workers one by one forks the next as soon as the last one listens.
    await program.quiet(100)
    const forked = program.workers.length
    if (forked === count) return passed
    throw new Mismatch({
      expected: `${workers(count)} forked`,
      got: `${workers(forked)} forked`,
      ...advice,
      repeat: program.command,
    })
  },

  async toReplace(
    program: Program,
    lost: LostWorker,
    { within, ...advice }: { within: number } & Advice & Partial<Finding>,
  ) {
    const since = (): readonly Worker[] =>
      program.workers.filter((worker) => worker.forkedSeq > lost.lostAfter)
    const listening = (): Worker | undefined => since().find((worker) => worker.state === 'listening')
    const replacement = await program.until(listening, { within })
    if (replacement === undefined) {
      throw new Mismatch({
        expected: `a killed worker is replaced, and the replacement listens within ${within / 1000} s`,
        got:
          since().length === 0 ? 'no worker was forked after the death' : 'its replacement does not listen',
        likely:
          "nothing listens for the 'exit' event of the cluster, or it was only added to the first workers",
        ...advice,
        repeat: program.command,
      })
    }
    // A second fork for the same death comes with the first; the replacement has taken its time to listen since.
    await program.quiet(100)
    const replacements = since().length
    if (replacements === 1) return passed
    throw new Mismatch({
      expected: 'exactly one replacement for one dead worker',
      got: `${workers(replacements)} forked after one death`,
      likely: "both 'disconnect' and 'exit' fork, though each of them comes for the same worker",
      read: advice.read,
      repeat: program.command,
    })
  },

  async toEnd(program: Program, { within, code, ...advice }: { within: number; code?: number } & Advice) {
    const ended = await program.until(() => program.ended, { within, alive: false })
    const expected = `the program ends within ${within / 1000} s${code === undefined ? '' : ` with exit code ${code}`}`
    if (ended === undefined) {
      throw new Mismatch({ expected, got: 'it still runs', ...advice, repeat: program.command })
    }
    if (code !== undefined && ended.code !== code) {
      throw new Mismatch({ expected, got: describeEnding(ended), ...advice, repeat: program.command })
    }
    return passed
  },

  async toLeaveNoProcess(program: Program, { within, ...advice }: { within: number } & Advice) {
    const deadline = performance.now() + within
    let left = await program.processes()
    while (left.length > 0 && performance.now() < deadline) {
      await program.until(() => undefined, { within: 50, alive: false })
      left = await program.processes()
    }
    if (left.length === 0) return passed
    throw new Mismatch({
      expected: 'no process of the program is left',
      got: `${left.length} ${left.length === 1 ? 'process lives' : 'processes live'} on`,
      ...advice,
      repeat: program.command,
    })
  },

  async toGetShare(
    program: Program,
    threshold: number,
    { read, headers }: { read: string; headers?: Readonly<Record<string, string>> },
  ) {
    await expectShare(program, threshold, read, headers)
    return passed
  },

  async toUseOneCore(program: Program, { read, ...bounds }: { ratio: number; share: number; read: string }) {
    await expectOneCore(program, bounds, read)
    return passed
  },
})

const passed = { pass: true, message: (): string => '' }

/** How long SIGTERM may take by every lesson's contract. */
export const TIME_TO_END = seconds(10)

function workers(count: number): string {
  return count === 1 ? '1 worker' : `${count} workers`
}

export { expect }

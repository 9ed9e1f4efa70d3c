/** A program with its workers and a connection to each, for checks that choose whom they ask and whom they kill. */

import { connectToEveryWorker, type Connections } from './connections.ts'
import type { Answer, NoAnswer } from './http.ts'
import { seconds } from './patience.ts'
import { Mismatch, type Finding } from './problems.ts'
import type { Program } from './program.ts'
import { start, type Start } from './start.ts'
import type { Worker } from './workers.ts'

/** What a claim says beside what it found. */
export type Advice = Pick<Finding, 'likely'> & { readonly read: string }

export class Scene implements AsyncDisposable {
  readonly program: Program
  readonly to: Connections
  /** Those that listened at first. */
  readonly workers: readonly Worker[]

  constructor(program: Program, to: Connections) {
    this.program = program
    this.to = to
    this.workers = program.listening
  }

  /** The faults of this check are over and mended: the next one may go on with this program. */
  isWhole(): void {
    this.program.harmed = false
  }

  /** Asks this worker, and nobody else. */
  ask(
    worker: Worker,
    path: string,
    options: Parameters<Connections['ask']>[2] = {},
  ): Promise<Answer | NoAnswer> {
    return this.to.ask(worker, path, options)
  }

  /** SIGKILL; resolves when its primary has seen it. */
  async kill(worker: Worker): Promise<void> {
    const lost = await this.program.killOneWorker(worker)
    // A primary that ends of it is for the check to judge.
    await this.program.untilGone(lost, { alive: false })
  }

  /** The worker that is forked after this one, the newest up to now, has died. It need not have begun to run. */
  forkedAfter({ id }: Worker): Promise<Worker | undefined> {
    return this.program.until(() => this.program.workers.find((worker) => worker.id > id), {
      within: seconds(5),
    })
  }

  /** The newest worker, as soon as there are as many as at first. */
  async replacement(read: string): Promise<Worker> {
    const { program, workers } = this
    const isWhole = (): true | undefined => program.listening.length >= workers.length || undefined
    if ((await program.until(isWhole, { within: seconds(5) })) !== true) {
      throw new Mismatch({
        expected: 'a worker that dies is replaced, and its replacement listens within 5 s',
        got: `${program.listening.length} of ${workers.length} workers listen`,
        likely: 'nobody forks on exit, or the new worker waits for an answer that never comes',
        read,
        repeat: program.command,
      })
    }
    await this.to.meet(program.listening)
    return program.listening.reduce((newest, worker) => (worker.id > newest.id ? worker : newest))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.to[Symbol.dispose]()
    await this.program[Symbol.asyncDispose]()
  }
}

/** Starts a program, or goes on with one that an earlier check has left whole, and meets its workers. */
export async function openScene(options: Start): Promise<Scene> {
  const program = await start(options)
  try {
    return new Scene(program, await connectToEveryWorker(program, 'the-contract'))
  } catch (error) {
    await program[Symbol.asyncDispose]()
    throw error
  }
}

/** The primary lives, whatever happened to its workers and whatever they sent. */
export async function expectPrimaryAlive(program: Program, advice: Advice): Promise<void> {
  const ended = await program.until(() => program.ended, { within: 50, alive: false })
  if (ended === undefined) return
  const words = program.lastWords()
  throw new Mismatch({
    ...advice,
    expected: 'the primary goes on, whatever happens to its workers and whatever they send',
    got: `it ended${words === '' ? '' : `: ${words}`}`,
    repeat: program.command,
  })
}

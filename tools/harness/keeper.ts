/** The harness's end of the line to the keeper (processes/keeper.mjs). */

import { spawn } from 'node:child_process'
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { ProgramEvent } from './events.ts'
import { seconds, until } from './patience.ts'
import { Cancelled, EnvironmentProblem } from './problems.ts'
import type { Plan } from './processes/kept-program.mjs'
import { killRun } from './processes/process-table.mjs'

export type { Plan }

/** Where a keeper listens. */
export interface KeeperAddress {
  readonly port: number
  readonly token: string
  /** What every process of the run carries in its environment. */
  readonly run: string
}

/** A keeper of this process's own: it ends, with all that it keeps, when this process does or on disposal. */
export interface OwnKeeper extends AsyncDisposable {
  readonly address: Promise<KeeperAddress>
  /** Whether its process has ended. */
  readonly over: boolean
  /** Starts a program before anybody asks for it. */
  startAhead(plan: Plan): void
}

/** It gives the programs 5 s to die. */
const TIME_TO_LEAVE = seconds(15)
/** Longer than the longest request takes: the end of a program that would not go. */
const TIME_TO_REPLY = seconds(30)

/** Starts a keeper: some 50 ms until it listens. */
export function startKeeper(): OwnKeeper {
  const script = fileURLToPath(new URL('./processes/keeper.mjs', import.meta.url))
  const child = spawn(process.execPath, [script], {
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore'],
    env: { ...process.env, NODE_OPTIONS: '' },
  })
  child.stdin.on('error', () => {})
  const gone = new Promise<void>((resolve) =>
    child.once('exit', () => resolve()).once('error', () => resolve()),
  )
  const address = new Promise<KeeperAddress>((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', (line) =>
      resolve(JSON.parse(line) as KeeperAddress),
    )
    void gone.then(() => {
      reject(
        new EnvironmentProblem(
          'The process that keeps the programs did not start',
          `Look whether this works: ${process.execPath} ${script}`,
        ),
      )
    })
  })
  // Before that, nothing else may keep this process waiting for it, or for its end.
  address.then(
    () => child.unref(),
    () => {},
  )
  // A keeper that is killed takes its programs with it through their observers, if their event loops turn.
  void Promise.all([address, gone]).then(
    ([{ run }]) => killRun(run),
    () => {},
  )
  return {
    address,
    get over() {
      return child.exitCode !== null || child.signalCode !== null
    },
    startAhead(plan) {
      // A program of the lesson before may have stopped it.
      child.kill('SIGCONT')
      child.stdin.write(`${JSON.stringify({ do: 'start', plan: { ...plan, ahead: true } })}\n`)
    },
    async [Symbol.asyncDispose]() {
      child.ref()
      // One that a program has stopped goes on, and hears that this is its end.
      child.kill('SIGCONT')
      child.stdin.end()
      const late = setTimeout(() => child.kill('SIGKILL'), TIME_TO_LEAVE)
      await gone
      clearTimeout(late)
    },
  }
}

type Listener = (event: ProgramEvent) => void

/** A connection to a keeper. Requests reject when the keeper has gone. */
export class Keeper implements Disposable {
  readonly #socket: Socket
  readonly #pending = new Map<number, { resolve(reply: unknown): void; reject(error: Error): void }>()
  readonly #listeners = new Map<string, Set<Listener>>()
  #nextId = 0
  /** How many lines have come from it. */
  #heard = 0
  #watched = false

  private constructor(socket: Socket) {
    this.#socket = socket
  }

  static async connect({ port, token }: KeeperAddress): Promise<Keeper> {
    const socket = connect(port, '127.0.0.1').setNoDelay(true)
    await new Promise<void>((resolve, reject) => {
      socket
        .once('connect', () => resolve())
        .once('error', () => reject(new Cancelled('the keeper has gone')))
    })
    const keeper = new Keeper(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => keeper.#abandon())
    // readline passes its input's errors on; the socket's own listener has dealt with them.
    createInterface({ input: socket })
      .on('line', (line) => keeper.#hear(line))
      .on('error', () => {})
    socket.write(`${JSON.stringify({ type: 'harness', token })}\n`)
    return keeper
  }

  /** Whether it can be reached no more: nothing will come of any wait. */
  get gone(): boolean {
    return this.#socket.destroyed
  }

  /** Asks and waits for the answer; what may be asked stands in keeper.mjs, `answer`. */
  request<Reply>(request: Record<string, unknown>): Promise<Reply> {
    this.#nextId += 1
    const id = this.#nextId
    return new Promise<Reply>((resolve, reject) => {
      if (this.#socket.destroyed) return reject(new Cancelled('the keeper has gone'))
      this.#pending.set(id, { resolve: (reply) => resolve(reply as Reply), reject })
      this.#socket.write(`${JSON.stringify({ id, ...request })}\n`)
      this.#giveUpSilence()
    })
  }

  /** A keeper that is stopped answers nothing, and its connection stays: after some time it counts as gone. */
  #giveUpSilence(): void {
    if (this.#watched) return
    this.#watched = true
    const heard = this.#heard
    void until(() => (this.#pending.size === 0 || this.#heard !== heard ? true : undefined), {
      within: TIME_TO_REPLY,
    }).then((found) => {
      this.#watched = false
      if (found === undefined) this.#socket.destroy()
      else if (this.#pending.size > 0) this.#giveUpSilence()
    })
  }

  /** Calls back for every event of one program from now on; returns how to stop that. */
  listen(key: string, listener: Listener): () => void {
    const listeners = this.#listeners.get(key) ?? new Set()
    this.#listeners.set(key, listeners.add(listener))
    return () => listeners.delete(listener)
  }

  [Symbol.dispose](): void {
    this.#socket.destroy()
  }

  #hear(line: string): void {
    this.#heard += 1
    const message = JSON.parse(line) as { reply?: number; error?: string; key?: string }
    if (message.reply === undefined) {
      for (const listener of this.#listeners.get(message.key ?? '') ?? []) listener(message as ProgramEvent)
      return
    }
    const waiting = this.#pending.get(message.reply)
    this.#pending.delete(message.reply)
    if (message.error === undefined) waiting?.resolve(message)
    else waiting?.reject(new Error(`the keeper says: ${message.error}`))
  }

  #abandon(): void {
    for (const waiting of this.#pending.values()) waiting.reject(new Cancelled('the keeper has gone'))
    this.#pending.clear()
  }
}

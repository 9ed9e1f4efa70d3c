/** A program that a person runs by hand and watches: in a keeper's care, and otherwise as if started from a shell. */

import { join } from 'node:path'
import { openBurst, type Burst } from './burst.ts'
import type { ProgramEvent } from './events.ts'
import { crash, hang, type Harmable } from './faults.ts'
import { Keeper, startKeeper, type OwnKeeper } from './keeper.ts'
import { relativeFile } from './plans.ts'
import { VITALS_EVERY_MS, WatchedProcesses, type Vitals, type WatchedProcess } from './watched-processes.ts'

export interface WatchOptions {
  /** The project, and the folder that the program is started in. */
  readonly root: string
  /** Absolute. */
  readonly file: string
  /** Its whole environment. */
  readonly env: NodeJS.ProcessEnv
  readonly onEvent: (event: ProgramEvent) => void
}

export class WatchedProgram implements AsyncDisposable {
  readonly #own: OwnKeeper
  readonly #keeper: Keeper
  readonly #key: string
  readonly #processes: WatchedProcesses
  readonly pid: number
  #burst: Promise<Burst> | undefined

  private constructor(
    own: OwnKeeper,
    keeper: Keeper,
    place: { readonly key: string; readonly pid: number },
    processes: WatchedProcesses,
  ) {
    this.#own = own
    this.#keeper = keeper
    this.#key = place.key
    this.pid = place.pid
    this.#processes = processes
  }

  /** Starts it. All that it is and does ends with this process, however that ends, or on disposal. */
  static async start({ root, file, env, onEvent }: WatchOptions): Promise<WatchedProgram> {
    const own = startKeeper()
    const keeper = await Keeper.connect(await own.address)
    const plan = {
      argv: [process.execPath, '--import', 'tsx', relativeFile(root, file)],
      cwd: root,
      byHand: true,
      env: {
        ...env,
        EVERY_CORE_CACHE: join(root, '.workshop', 'cache'),
        EVERY_CORE_OPTIONS: JSON.stringify({ vitalsEveryMs: VITALS_EVERY_MS }),
      },
    }
    const place = await keeper.request<{ key: string; pid: number }>({ do: 'start', plan })
    const processes = new WatchedProcesses()
    const missed: (ProgramEvent | Vitals)[] = []
    let hear = (event: ProgramEvent | Vitals): void => void missed.push(event)
    keeper.listen(place.key, (event) => hear(event))
    const { events } = await keeper.request<{ events: readonly ProgramEvent[] }>({
      do: 'history',
      key: place.key,
    })
    hear = (event) => {
      processes.hear(event)
      if (event.type !== 'vitals') onEvent(event)
    }
    const last = events.at(-1)?.seq ?? 0
    const since = missed.filter((event) => event.type === 'vitals' || event.seq > last)
    for (const event of [...events, ...since]) hear(event)
    return new WatchedProgram(own, keeper, place, processes)
  }

  look(): readonly WatchedProcess[] {
    return this.#processes.look(Date.now())
  }

  /** How many workers were ever forked, and how many have gone. */
  get turnover(): { readonly forked: number; readonly gone: number } {
    const { forked, gone } = this.#processes
    return { forked, gone }
  }

  signal(signal: NodeJS.Signals, pid: number | 'group' = this.pid): Promise<unknown> {
    return this.#keeper.request({ do: 'signal', key: this.#key, pid, signal })
  }

  crash(pid: number): Promise<void> {
    return crash(this.#harmable, { pid })
  }

  hang(pid: number): Promise<void> {
    return hang(this.#harmable, { pid })
  }

  /** Loads `/render` on this port for so many ms. */
  async burst(...all: Parameters<Burst['fire']>): ReturnType<Burst['fire']> {
    this.#burst ??= openBurst(this.#keeper)
    return (await this.#burst).fire(...all)
  }

  get #harmable(): Harmable {
    return {
      harmed: false,
      tell: (pid, command) => this.#keeper.request({ do: 'tell', key: this.#key, pid, command }),
    }
  }

  /** Kills all that is left of it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#own[Symbol.asyncDispose]()
    this.#keeper[Symbol.dispose]()
  }
}

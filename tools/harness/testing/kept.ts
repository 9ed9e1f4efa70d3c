/** Small programs in the care of a keeper of the test's own. */

import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Keeper, startKeeper, type KeeperAddress, type Plan } from '../keeper.ts'
import { planFor, shellCommand, type StartOptions } from '../plans.ts'
import { Program } from '../program.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url)).replace(/\/$/, '')

interface Started {
  readonly key: string
  readonly port: number
  readonly adminPort: number
  readonly dataDir: string
  readonly pid: number
}

export interface Kept extends AsyncDisposable {
  readonly address: KeeperAddress
  /** A connection to the keeper. */
  readonly keeper: Keeper
  /** Writes a plain-JavaScript module beside the others; resolves to its absolute path. */
  write(name: string, source: string): string
  plan(file: string, options?: StartOptions): Plan
  /** Has the keeper start a program ahead, as the grader does. */
  startAhead(plan: Plan): void
  /** Starts a plan, or adopts one that was started ahead. */
  hold(how: 'start' | 'adopt', plan: Plan): Promise<Program>
  /** Writes this source and starts it; resolves at once. */
  start(source: string, options?: StartOptions & { readonly observed?: boolean }): Promise<Program>
}

/** A keeper and a folder in .workshop/; both go, and every program with them. */
export async function openKept(): Promise<Kept> {
  const own = startKeeper()
  const address = await own.address
  const keeper = await Keeper.connect(address)
  mkdirSync(join(root, '.workshop'), { recursive: true })
  const folder = mkdtempSync(join(root, '.workshop', 'test-'))
  let written = 0

  const write = (name: string, source: string): string => {
    const file = join(folder, name)
    writeFileSync(file, source)
    return file
  }
  const plan = (file: string, options: StartOptions = {}): Plan => ({
    ...planFor(root, file, options),
    // These need no TypeScript, and so start four times as fast.
    argv: [process.execPath, file],
  })
  const hold = async (how: 'start' | 'adopt', plan: Plan): Promise<Program> => {
    const started = await keeper.request<Started>({ do: how, plan })
    const file = plan.argv.at(-1) ?? ''
    const identity = { ...started, file, options: {}, command: shellCommand(root, file) }
    return Program.hold(keeper, identity, (program) => program.end())
  }
  return {
    address,
    keeper,
    write,
    plan,
    hold,
    startAhead: (plan) => own.startAhead(plan),
    start(source, { observed = true, ...options } = {}) {
      written += 1
      return hold('start', { ...plan(write(`program-${written}.mjs`, source), options), observed })
    },
    async [Symbol.asyncDispose]() {
      keeper[Symbol.dispose]()
      await own[Symbol.asyncDispose]()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Whether a process lives. One that has ended and waits for its parent to ask does not. */
export function lives(pid: number): boolean {
  try {
    const state = existsSync('/proc/self/stat')
      ? readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/^.*\) /s, '')
      : execFileSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' }).trim()
    return state !== '' && !/^[ZX]/.test(state)
  } catch {
    return false
  }
}

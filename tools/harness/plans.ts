/** How programs are started: the command, and an environment that the user's own settings cannot bend. */

import { availableParallelism } from 'node:os'
import { join, relative, sep } from 'node:path'
import type { Plan } from './keeper.ts'

export interface StartOptions {
  /** WORKERS as the program reads it; unset unless told. */
  readonly workers?: number | string
  readonly env?: Readonly<Record<string, string>>
  /** PORT; a free one unless told. */
  readonly port?: number
  /** PORT is unset; a listen on this port, the default, is held for good, so that the port itself stays free. */
  readonly withoutPort?: number
  /** What it forks only sleeps, so that it may fork many. */
  readonly hollowForks?: boolean
  /** Runs on this one core only (Linux, `taskset`). */
  readonly core?: number
  /** The worker with this id, or any, listens only when `program.releaseListen` says so. */
  readonly holdListen?: number | 'any'
  /** `messages` events: how many messages each process has sent. */
  readonly countMessages?: boolean
  /** Every IPC message, and what each child process is given, is told as an event. */
  readonly recordMessages?: boolean
  /** Every request is told as an event by the process that it comes to. */
  readonly watchRequests?: boolean
  /** What is printed comes from the primary alone: what workers print on its streams goes nowhere. */
  readonly muteWorkers?: boolean
  /** DATA_DIR; a folder of its own that is not there yet unless told. */
  readonly dataDir?: string
  /** REDIS_URL; unset unless told. */
  readonly redis?: string
  /** `Math.random` gives the same numbers in each process that is started so, run after run. */
  readonly randomSeed?: number
}

/** The user's settings that would change what a program does, or what it prints. */
const NOT_INHERITED =
  /^(PORT|WORKERS|ADMIN_PORT|ADMIN_TOKEN|SIGNING_KEY|DATA_DIR|REDIS_URL|\w+_MS|MAX_RSS_MB|CRASH_ON_BOOT|NODE_.*|TSX_.*|npm_.*|VITEST.*|EVERY_CORE_.*|FORCE_COLOR|FORCE_TTY|DEBUG|UV_.*|TEST|VITE_.*|MODE|PROD|DEV|SSR|BASE_URL)$/

export function inheritedEnvironment(): Record<string, string> {
  const entries = Object.entries(process.env).filter(
    ([name, value]) => value !== undefined && !NOT_INHERITED.test(name),
  )
  return Object.fromEntries(entries) as Record<string, string>
}

/** The plan for a learner's program, or for any other that is started as one. */
export function planFor(root: string, file: string, options: StartOptions = {}): Plan {
  const {
    workers,
    env = {},
    port,
    core,
    holdListen,
    countMessages,
    recordMessages,
    watchRequests,
    muteWorkers,
    dataDir,
    redis,
    randomSeed,
  } = options
  // An option of V8, which workers inherit with the others.
  const seed = randomSeed === undefined ? [] : [`--random-seed=${randomSeed}`]
  const node = [process.execPath, ...seed, '--import', 'tsx', relativeFile(root, file)]
  const observerOptions = {
    ...(options.withoutPort !== undefined && { withoutPort: options.withoutPort }),
    ...(options.hollowForks && { hollowForks: true }),
    ...(holdListen !== undefined && { holdListen }),
    ...(countMessages && { countMessages }),
    ...(recordMessages && { recordMessages }),
    ...(watchRequests && { watchRequests }),
    ...(muteWorkers && { muteWorkers }),
  }
  return {
    argv: core === undefined ? node : ['taskset', '-c', String(core), ...node],
    cwd: root,
    env: {
      ...inheritedEnvironment(),
      ...(workers === undefined ? {} : { WORKERS: String(workers) }),
      ...(redis === undefined ? {} : { REDIS_URL: redis }),
      ...env,
      EVERY_CORE_CACHE: join(root, '.workshop', 'cache'),
      ...(Object.keys(observerOptions).length > 0 && { EVERY_CORE_OPTIONS: JSON.stringify(observerOptions) }),
    },
    ...(port !== undefined && { port }),
    ...(options.withoutPort !== undefined && { withoutPort: true }),
    ...(dataDir !== undefined && { dataDir }),
  }
}

/** A shell command that a person can paste to start the same program. */
export function shellCommand(root: string, file: string, options: StartOptions = {}): string {
  const { workers, env = {}, core, redis, randomSeed, withoutPort } = options
  const settings = {
    ...(workers !== undefined && { WORKERS: String(workers) }),
    ...(redis !== undefined && { REDIS_URL: 'redis://127.0.0.1:6379' }),
    ...env,
    ...(withoutPort === undefined && { PORT: '8000' }),
  }
  const words = Object.entries(settings).map(([name, value]) => `${name}=${quoted(value)}`)
  if (core !== undefined) words.push(`taskset -c ${core}`)
  const node = randomSeed === undefined ? 'node' : `node --random-seed=${randomSeed}`
  return [...words, node, '--import tsx', quoted(relativeFile(root, file))].join(' ')
}

/** As a command line names it: relative to the project, if it is in it. */
export function relativeFile(root: string, file: string): string {
  const path = relative(root, file).split(sep).join('/')
  return path.startsWith('..') ? file : path
}

function quoted(word: string): string {
  return /^[\w./:@%+=-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`
}

/** The cores that programs may use here. */
export function cores(): number {
  return availableParallelism()
}

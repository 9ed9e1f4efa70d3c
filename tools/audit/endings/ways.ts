/** The ways in which a command of the project ends, or is hindered, and what has to come of each. */

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { carriers, read } from '../survivors.ts'
import { send, type Ended, type Running } from './running.ts'

export interface Way {
  readonly name: string
  /** `check N` · `lesson N`, which waits for saves · `lesson N run`; the last two in a terminal. */
  readonly command: 'check' | 'lesson' | 'run'
  /** How it is started. */
  argv(place: Place): readonly string[]
  /** What is done to it at that moment. */
  act(running: Running, place: Place): unknown
  /** Whether the lesson is graded to its end, so that there is a verdict. */
  readonly verdict?: true
  /** Whether it may go on for as long as a lesson is graded. */
  readonly late?: true
  /** What is kept in `.workshop/` goes with it. */
  readonly forgets?: true
}

export interface Place {
  /** A copy of the project. */
  readonly folder: string
  readonly lesson: number
  /** Milliseconds since the start, for a way that keeps the time itself. */
  readonly moment: number
  /** How long a laptop stays suspended, ms. */
  readonly suspended: number
}

/** What is wrong with this end. After a verdict: 0 and 3 are right for a right program; 2 names what the machine lacks. */
export function problemWithEnd(way: Way, { code, signal }: Ended, output: string): string | undefined {
  if (way.command === 'check' && code === 0 && !/^Lesson \d+: passed/m.test(output)) {
    return 'exit code 0, and nobody says that the lesson passed'
  }
  if (way.verdict !== true || [0, 2, 3].includes(code ?? -1)) return undefined
  return `a right program, and it ended with ${signal ?? `exit code ${code}`}`
}

const start = ({ folder }: Place): readonly string[] => [process.execPath, join(folder, 'tools', 'start.mjs')]
const check = (place: Place): readonly string[] => [...start(place), 'check', String(place.lesson)]
const throughNpm = ({ lesson }: Place): readonly string[] => [
  'npm',
  'run',
  '--silent',
  'check',
  String(lesson),
]

/** `script` lends it a terminal. */
const inTerminal =
  (...action: readonly string[]) =>
  (place: Place): readonly string[] => {
    const command = [...start(place), 'lesson', String(place.lesson), ...action].map((word) => `'${word}'`)
    return ['script', '-qfec', `stty cols 100 rows 40; exec ${command.join(' ')}`, '/dev/null']
  }

const signal =
  (name: NodeJS.Signals) =>
  async (running: Running): Promise<void> =>
    send(await running.command(), name)

const checks: readonly Way[] = [
  {
    name: 'Ctrl-C',
    command: 'check',
    argv: throughNpm,
    // A terminal sends it to the whole group that is in front: npm and the command.
    act: ({ child }) => send(-(child.pid ?? 0), 'SIGINT'),
  },
  ...(['SIGTERM', 'SIGHUP', 'SIGKILL'] as const).map((name): Way => ({
    name,
    command: 'check',
    argv: check,
    act: signal(name),
  })),
  {
    name: 'a closed pipe',
    command: 'check',
    argv: check,
    // It is seen by the next line.
    late: true,
    act: ({ child }) => child.stdout?.destroy(),
  },
  {
    name: 'the keeper killed',
    command: 'check',
    argv: check,
    async act(running) {
      while (running.keeper() === undefined && running.child.exitCode === null) await sleep(20)
      send(running.keeper() ?? 0, 'SIGKILL')
    },
  },
  {
    name: 'files that cannot grow',
    command: 'check',
    argv: check,
    verdict: true,
    late: true,
    // As on a full disk each write to a file fails, of the command and of what it starts from now on.
    async act(running) {
      spawnSync('prlimit', ['--pid', String(await running.command()), '--fsize=0'])
    },
  },
  { name: 'a suspended laptop', command: 'check', argv: check, verdict: true, late: true, act: suspend },
]

/** `.workshop/` on a small disk of its own, which is full from the moment on. It is mounted where nobody else sees it. */
const fullDisk: Way = {
  name: 'a full disk',
  command: 'check',
  verdict: true,
  late: true,
  forgets: true,
  argv: (place) => [
    'unshare',
    '-rm',
    'sh',
    '-c',
    'mount -t tmpfs -o size=32m tmpfs .workshop || exit 9; (sleep "$0"; cat /dev/zero > .workshop/filler) 2> /dev/null & exec "$@"',
    String(place.moment / 1_000),
    ...check(place),
  ],
  act: () => {},
}

const inTerminals = (['lesson', 'run'] as const).flatMap((command): readonly Way[] => {
  const argv = inTerminal(...(command === 'run' ? ['run'] : []))
  return [
    { name: 'Ctrl-C', command, argv, act: ({ child }) => child.stdin?.write('\x03') },
    ...(['SIGTERM', 'SIGKILL'] as const).map((name): Way => ({ name, command, argv, act: signal(name) })),
    { name: 'a closed terminal', command, argv, act: ({ child }) => child.kill('SIGKILL') },
  ]
})

/** All ways that this machine has. */
export function waysHere(): readonly Way[] {
  const mounts = spawnSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', 'tmpfs', '/tmp']).status === 0
  const lendsTerminals = spawnSync('script', ['--version']).status === 0
  return [...checks, ...(mounts ? [fullDisk] : []), ...(lendsTerminals ? inTerminals : [])]
}

/** Stops every process of it, as a machine that is suspended does, and lets all go on. */
async function suspend(running: Running, { suspended }: Place): Promise<void> {
  for (;;) {
    // One that runs may start another in the meantime.
    const awake = carriers(running.mark).filter((pid) => !/\) T [^)]*$/.test(read(`/proc/${pid}/stat`)))
    if (awake.length === 0) break
    for (const pid of awake) send(Number(pid), 'SIGSTOP')
    await sleep(5)
  }
  await sleep(suspended)
  for (const pid of carriers(running.mark)) send(Number(pid), 'SIGCONT')
}

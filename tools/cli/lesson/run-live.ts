/** The learner's server with a live view of its processes, and keys that bring the checkers' faults upon them. */

import { constants } from 'node:os'
import type { ProgramEvent } from '../../harness/events.ts'
import type { BurstTotal } from '../../harness/burst.ts'
import type { WatchedProcess } from '../../harness/watched-processes.ts'
import { WatchedProgram } from '../../harness/watched-program.ts'
import { fit, wrap } from '../screen/fit.ts'
import { liveOn } from '../screen/live.ts'
import { openOutflow } from '../screen/outflow.ts'
import { choosable, processLines, turnoverLine } from '../screen/processes.ts'
import { listenForCharacters } from './keys.ts'
import { pageOf, type Visit } from './visit.ts'

const BURST_MS = 5_000
/** What a server may take to end when it is asked to. */
const PATIENCE_MS = 10_000
/** Of a primary that has ended, workers may still live for a moment, and what they print is told. */
const LAST_WORDS_MS = 1_500

export interface LiveRun {
  /** Absolute. */
  readonly file: string
  readonly port: number
}

export async function runLive(visit: Visit, { file, port }: LiveRun): Promise<number> {
  const { desk } = visit
  const interruption = desk.interruption()
  const live = liveOn(desk.stdout, desk.env)
  const outflow = openOutflow(live)
  const { paint } = pageOf(visit)
  const started = Date.now()
  /** What the learner did and what came of it, told apart from what the server prints. */
  const tell = (text: string): void => {
    const at = `${((Date.now() - started) / 1_000).toFixed(1)} s`
    const [first = '', ...more] = wrap(text, pageOf(visit).columns - 10)
    outflow.add(paint.cyan(`── ${at.padStart(6)} ${first}`))
    for (const line of more) outflow.add(paint.cyan(`          ${line}`))
  }

  let isOver = false
  let taken: number | undefined
  const otherPort = `PORT=${port + 1} npm run lesson ${visit.lesson.number} run`
  let ending: { readonly code: number; readonly said: string } | undefined
  let finish: (code: number) => void = () => {}
  const finished = new Promise<number>((resolve) => {
    finish = resolve
  })
  const timers = new Set<NodeJS.Timeout>()
  const later = (ms: number, act: () => void): void => void timers.add(setTimeout(act, ms))

  const onEvent = (event: ProgramEvent): void => {
    switch (event.type) {
      case 'line':
        return outflow.add(event.stream === 'stderr' ? paint.yellow(event.text) : event.text)
      case 'exit':
        return tell(`worker ${event.worker} (pid ${event.workerPid}) has gone: ${endOf(event)}`)
      case 'limit':
        tell(limits[event.limit])
        return
      case 'server-error':
        if (event.code === 'EADDRINUSE') taken ??= event.port ?? port
        return
      case 'not-started':
        tell(`It could not be started: ${event.message}`)
        return finish(1)
      case 'ended': {
        tell(`your server has ended: ${endOf(event)}`)
        // What was said of it at the start has scrolled away by now.
        if (taken !== undefined) tell(`port ${taken} is taken; with another: ${otherPort}`)
        const own = event.signal === null ? (event.code ?? 0) : 128 + signalNumber(event.signal)
        later(LAST_WORDS_MS, () => finish(ending?.code ?? own))
        return
      }
      case 'closed':
        later(50, () => finish(ending?.code ?? codeOf(program?.look()[0])))
        return
      default:
    }
  }

  let program: WatchedProgram | undefined
  let chosen: number | undefined
  let burst: { readonly since: number; total: BurstTotal } | undefined

  /** @param code of the command, once it has ended */
  const end = (code: number, signal: NodeJS.Signals, target: number | 'group', said: string): void => {
    if (program === undefined) return finish(code)
    if (ending !== undefined) {
      tell('ended by force')
      return finish(ending.code)
    }
    ending = { code, said }
    tell(`${said}; the same key again ends it by force`)
    program.signal(signal, target).catch(() => finish(code))
    later(PATIENCE_MS, () => {
      tell(`it is still there after ${PATIENCE_MS / 1_000} s, and is ended by force`)
      finish(code)
    })
  }

  const target = (): WatchedProcess | undefined => {
    const all = program?.look() ?? []
    const living = all.filter(({ state }) => state !== 'gone')
    const wanted = living.find(({ pid }) => pid === chosen)
    const workers = living.filter(({ role }) => role === 'worker')
    const able = workers.filter(({ state, silentMs }) => state === 'listening' && silentMs === undefined)
    // Of a program without workers its one process is meant.
    return wanted ?? able[0] ?? workers[0] ?? (living[0]?.role === 'single' ? living[0] : undefined)
  }

  const faults: Readonly<Record<string, (victim: WatchedProcess, of: WatchedProgram) => Promise<unknown>>> = {
    k: (victim, of) => {
      tell(`SIGKILL to ${nameOf(victim)}`)
      return of.signal('SIGKILL', victim.pid)
    },
    h: (victim, of) => {
      tell(`the event loop of ${nameOf(victim)} turns no more`)
      return of.hang(victim.pid)
    },
    c: (victim, of) => {
      tell(`an exception that nobody catches, in ${nameOf(victim)}`)
      return of.crash(victim.pid)
    },
  }

  const fire = async (): Promise<void> => {
    if (program === undefined || burst !== undefined) return
    burst = { since: Date.now(), total: { answered: 0, wrong: 0, failed: 0, durationMs: 0 } }
    tell(`load on /render for ${BURST_MS / 1_000} s`)
    try {
      const total = await program.burst(port, BURST_MS, (total) => {
        if (burst !== undefined) burst = { ...burst, total }
      })
      const time = Date.now() - burst.since
      tell(
        `${burstText(total)}${time > 2 * BURST_MS ? `; it waited ${secondsOf(time - BURST_MS)} for answers` : ''}`,
      )
    } finally {
      burst = undefined
    }
  }

  const onCharacter = (character: string): void => {
    if (program === undefined) return character === 'q' || character === '\u0003' ? finish(130) : undefined
    const key = character.toLowerCase()
    if (key === 'q' || key === '\u0004') return end(0, 'SIGTERM', program.pid, 'SIGTERM to your server')
    if (key === '\u0003') return end(130, 'SIGINT', 'group', 'SIGINT to all its processes, as Ctrl-C does')
    if (/^\d$/.test(key)) return choose(Number(key))
    if (key === 'b') return attempt(fire())
    if (key === 'r') {
      tell('SIGHUP to your server: one that does not listen for it ends')
      return attempt(program.signal('SIGHUP'))
    }
    const fault = faults[key]
    if (fault === undefined) return
    const victim = target()
    if (victim === undefined) return tell('there is no worker for that now')
    attempt(fault(victim, program))
  }
  const attempt = (what: Promise<unknown>): void => {
    what.catch((error: unknown) => {
      // What goes with the end of the command is no news.
      if (!isOver) tell(`that did not work: ${error instanceof Error ? error.message : String(error)}`)
    })
  }
  const choose = (digit: number): void => {
    const all = program?.look() ?? []
    const one = digit === 0 ? all[0] : choosable(all)[digit - 1]
    chosen = one === undefined || one.pid === chosen ? undefined : one.pid
    live.refresh()
  }

  const frame = (): readonly string[] => {
    const page = pageOf(visit)
    const processes = program?.look() ?? []
    if (processes.length === 0) return []
    const rows = (desk.stdout.rows ?? 24) - 7
    const turnover = turnoverLine(processes, program?.turnover ?? { forked: 0, gone: 0 })
    return [
      paint.gray('─'.repeat(page.columns)),
      ...processLines(processes, { page, rows, chosen: target()?.pid }),
      paint.gray(fit(`  ${turnover}`, page.columns)),
      ...(burst === undefined ? [] : [paint.cyan(fit(`  load: ${burstText(burst.total)}`, page.columns))]),
      paint.gray(fit(keyTexts.find((text) => text.length <= page.columns) ?? keys60, page.columns)),
    ]
  }

  // The reason is thrown below: what it stands for is the exit code.
  const onInterruption = (): void => finish(1)
  interruption.addEventListener('abort', onInterruption)
  if (interruption.aborted) throw interruption.reason
  const resize = (): void => live.refresh()
  desk.stdout.on('resize', resize)
  const keys = listenForCharacters(desk.stdin, onCharacter, live.pause, live.refresh)
  try {
    program = await WatchedProgram.start({ root: desk.root, file, env: desk.env, onEvent })
    live.draw(frame)
    const code = await finished
    if (interruption.aborted) throw interruption.reason
    return code
  } finally {
    isOver = true
    for (const timer of timers) clearTimeout(timer)
    interruption.removeEventListener('abort', onInterruption)
    desk.stdout.off('resize', resize)
    keys.close()
    await program?.[Symbol.asyncDispose]()
    outflow.close()
    live.close()
  }
}

function nameOf({ role, worker, pid }: WatchedProcess): string {
  const name = role === 'worker' ? `worker ${worker}` : role === 'single' ? 'your server' : `the ${role}`
  return `${name} (pid ${pid})`
}

function endOf({ code, signal }: { readonly code: number | null; readonly signal: string | null }): string {
  return signal === null ? `exit code ${code}` : `killed by ${signal}`
}

function signalNumber(name: string): number {
  return Object.entries(constants.signals).find(([signal]) => signal === name)?.[1] ?? 0
}

function codeOf(first: WatchedProcess | undefined): number {
  return Number(/^exit code (\d+)$/.exec(first?.end ?? '')?.[1] ?? 1)
}

function burstText({ answered, wrong, failed, durationMs }: BurstTotal): string {
  const rate = durationMs === 0 ? 0 : answered / (durationMs / 1_000)
  const bad = [...(wrong > 0 ? [`${wrong} answered wrong`] : []), ...(failed > 0 ? [`${failed} failed`] : [])]
  return `${answered} answered, ${rate.toFixed(0)} a second; ${bad.length === 0 ? 'none failed' : bad.join(', ')}`
}

function secondsOf(ms: number): string {
  return `${(ms / 1_000).toFixed(0)} s`
}

const limits = {
  processes: 'it started more processes than a machine can bear, and was stopped: a fork bomb',
  memory: 'one process took more than 1 GiB of memory, and your server was stopped',
  output: 'it printed more than anybody can read, and was stopped',
}

const keys60 = '  k kill · h hang · c crash · b load · r reload · q end'
/** The widest that fits is shown. */
const keyTexts = [
  `  1-9 choose, 0 the primary ·${keys60.slice(1)}`,
  `  1-9 choose ·${keys60.slice(1)}`,
  keys60,
]

/** The lesson in a terminal: every save is checked, and keys ask for help. */

import type { LessonResult } from '../../harness/verdict.ts'
import { inProject } from '../../catalog.ts'
import { stoppedAt } from '../../progress/progress.ts'
import { type Desk, Interruption } from '../desk.ts'
import { fit } from '../screen/fit.ts'
import { gradingScreen } from '../screen/grading.ts'
import type { Live } from '../screen/live.ts'
import { brokenLines, endLines } from './after.ts'
import { editsOf } from './edits.ts'
import { gradeOnce, storeOf } from './grade.ts'
import { nextHint } from './hint.ts'
import { type Key, listenForKeys } from './keys.ts'
import { solutionLines } from './solution.ts'
import type { Start } from './study.ts'
import { headingOf, pageOf, type Visit } from './visit.ts'
import { watchLesson } from './watch.ts'

export interface Session extends Start {
  readonly live: Live
}

/** @returns 0 when it passed, or when the learner left with q */
export async function studyAtTerminal(
  visit: Visit,
  { opening, interruption, live }: Session,
): Promise<number> {
  const { desk, lesson } = visit
  const store = storeOf(visit, live)
  const { paint } = pageOf(visit)
  const file = inProject(lesson.starter, desk.root)
  const screen = gradingScreen({
    live,
    output: desk.stdout,
    paint,
    headingOf: () => headingOf(visit),
    root: desk.root,
    alone: true,
  })

  /** Aborts when the learner leaves; the reason is the exit code or an Interruption. */
  const leaving = new AbortController()
  const doorbell = bell()
  const edits = editsOf(lesson)
  let attempt: AbortController | undefined
  let latest: LessonResult | undefined
  let status = ''

  const again = (): void => {
    edits.forget()
    attempt?.abort()
    doorbell.ring()
  }
  const leave = (reason: unknown): void => {
    leaving.abort(reason)
    attempt?.abort()
    doorbell.ring()
  }
  const onKey = (key: Key): void => {
    if (key === 'quit') return leave(0)
    if (key === 'interrupt') return leave(new Interruption(130))
    if (key === 'again') return again()
    helpWith(key).catch(leave)
  }
  const helpWith = async (key: 'hint' | 'solution'): Promise<void> => {
    if (key === 'solution') return live.print([...(await solutionLines(visit)), ''])
    const check = latest === undefined ? store.read(lesson.slug).last?.stoppedAt : stoppedAt(latest)
    if (check !== undefined) return live.print([...nextHint(visit, store, check), ''])
    live.print([paint.gray('No check has failed so far: no hint is needed.'), ''])
  }

  const onInterruption = (): void => leave(interruption.reason)
  interruption.addEventListener('abort', onInterruption)
  if (interruption.aborted) onInterruption()
  live.draw(() => {
    const { columns } = pageOf(visit)
    const state = attempt === undefined ? [paint.gray(fit(`  ${status}`, columns))] : screen.frame()
    return [...state, '', paint.gray(fit('  h hint · s solution · r check again · q quit', columns))]
  })
  const keys = listenForKeys(desk.stdin, onKey, live.pause, live.refresh)
  const watcher = await watchLesson(lesson.folder, {
    env: desk.env,
    tell: (line) => live.print([paint.gray(line), '']),
    async onChange() {
      if (await edits.differ()) again()
    },
  })
  try {
    const grader = await opening
    let checks = 0
    while (!leaving.signal.aborted) {
      doorbell.hush()
      const fingerprint = await edits.begin()
      if (fingerprint === undefined) {
        status = `${file} is not there: waiting for it to be saved`
        await doorbell.rung()
        continue
      }
      checks += 1
      if (checks > 1) screen.introduce([paint.gray(`── ${clock()} ──`), ''])
      attempt = new AbortController()
      // Whoever has left while the files were looked at had no attempt to abort.
      const signal = AbortSignal.any([attempt.signal, leaving.signal])
      try {
        latest = (await gradeOnce(visit, grader, { onEvent: screen.onEvent, signal, store, fingerprint }))
          .result
      } catch (error) {
        const isAgain = signal.aborted && !leaving.signal.aborted
        screen.cancel(isAgain ? 'stopped there, to begin again' : 'stopped')
        if (!signal.aborted) throw error
        continue
      } finally {
        await edits.end()
        attempt = undefined
      }
      if (latest.verdict === 'passed') {
        live.close()
        live.print(endLines(visit, latest, store))
        return 0
      }
      live.print(adviceOn(desk, latest))
      status = `waiting for a save of ${file}`
      live.refresh()
      await doorbell.rung()
    }
    const reason: unknown = leaving.signal.reason
    if (reason === 0) return 0
    throw reason
  } finally {
    interruption.removeEventListener('abort', onInterruption)
    keys.close()
    live.close()
    await watcher.close()
  }
}

/** A failure has said what it has to say. */
function adviceOn(desk: Desk, result: LessonResult): readonly string[] {
  if (result.verdict === 'broken') return [...brokenLines(desk, [result]), '']
  if (result.verdict !== 'inconclusive') return []
  return ['Nothing failed, and not all could be told. When the machine is quieter, r checks again.', '']
}

/** Rung any number of times, heard once. */
function bell(): { ring(): void; hush(): void; rung(): Promise<void> } {
  let rung = false
  let hear: (() => void) | undefined
  return {
    ring() {
      rung = true
      hear?.()
    },
    hush() {
      rung = false
    },
    rung() {
      return new Promise((resolve) => {
        if (rung) resolve()
        else hear = resolve
      })
    },
  }
}

function clock(): string {
  return new Date().toTimeString().slice(0, 8)
}

/** Where lines go: below each other, with a last part that changes in place when the output is a terminal. */

import { createLogUpdate } from 'log-update'
import type { Output } from '../desk.ts'

export interface Live {
  /** Whether a part changes in place. */
  readonly drawing: boolean
  /** Lines that stay. */
  print(lines: readonly string[]): void
  /** What to draw below them from now on, again and again; nothing is drawn when the output is no terminal. */
  draw(frame: () => readonly string[]): void
  /** Draws now instead of a moment later. */
  refresh(): void
  /** Takes the changing part off the screen until the next refresh. */
  pause(): void
  /** Takes it off for good. */
  close(): void
}

/** Some eight frames a second look alive and cost nothing that a measurement beside them would feel. */
const frameMs = 120

export function liveOn(output: Output, env: NodeJS.ProcessEnv): Live {
  return output.isTTY === true && env['TERM'] !== 'dumb' ? onTerminal(output) : onPaper(output)
}

/** For an output that nobody reads. */
export const silent: Live = { drawing: false, print() {}, draw() {}, refresh() {}, pause() {}, close() {} }

function onPaper(output: Output): Live {
  return { ...silent, print: (lines) => void output.write(textOf(lines)) }
}

function onTerminal(output: Output): Live {
  const update = createLogUpdate(output)
  let frame: (() => readonly string[]) | undefined
  let timer: NodeJS.Timeout | undefined
  /** How many lines are drawn. */
  let shown = 0
  const render = (): void => {
    const lines = frame?.() ?? []
    output.cork()
    // log-update patches what differs, and leaves a line behind where there are fewer than before.
    if (shown > 0 && lines.length !== shown) update.clear()
    if (lines.length > 0) update(lines.join('\n'))
    output.uncork()
    shown = lines.length
  }
  const refresh = (): void => {
    if (frame !== undefined) timer ??= setInterval(render, frameMs)
    render()
  }
  const pause = (): void => {
    clearInterval(timer)
    timer = undefined
    if (shown > 0) update.clear()
    shown = 0
    update.done()
  }
  return {
    drawing: true,
    print(lines) {
      // In one piece, so that the changing part does not blink.
      output.cork()
      if (shown > 0) update.clear()
      shown = 0
      output.write(textOf(lines))
      render()
      output.uncork()
    },
    draw(next) {
      frame = next
      refresh()
    },
    refresh,
    pause,
    close() {
      frame = undefined
      pause()
    },
  }
}

function textOf(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join('')
}

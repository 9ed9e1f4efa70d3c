/** What a program prints, line by line above a part that changes in place: however much, and whatever is in it. */

import { stripVTControlCharacters } from 'node:util'
import type { Live } from './live.ts'

export interface Outflow {
  add(line: string): void
  /** Prints what has not been printed yet. */
  close(): void
}

/** Lines that come in a burst are printed together: a terminal that scrolls line by line is what flickers. */
const FLUSH_MS = 60
/** More than this at once nobody can read, and a terminal is slow. */
const MOST_AT_ONCE = 200

export function openOutflow(live: Live): Outflow {
  let waiting: string[] = []
  let missed = 0
  let timer: NodeJS.Timeout | undefined
  const flush = (): void => {
    clearTimeout(timer)
    timer = undefined
    if (waiting.length === 0) return
    const note = missed === 0 ? [] : [`… ${missed} lines more, too fast to show`]
    live.print([...waiting, ...note])
    waiting = []
    missed = 0
  }
  return {
    add(line) {
      if (waiting.length >= MOST_AT_ONCE) missed += 1
      else waiting.push(harmless(line))
      timer ??= setTimeout(flush, FLUSH_MS)
    },
    close: flush,
  }
}

const escape = String.fromCodePoint(27)
const colour = new RegExp(`(${escape}\\[[\\d;]*m)`)

/** Colours may stay. All else that moves the cursor, or clears what is drawn, would tear the part below. */
function harmless(line: string): string {
  const parts = line.replaceAll('\t', '    ').split(colour)
  const kept = parts.map((part, index) =>
    index % 2 === 1 ? part : stripVTControlCharacters(part).replaceAll(/\p{Cc}/gu, ''),
  )
  return parts.length > 1 ? `${kept.join('')}${escape}[0m` : kept.join('')
}

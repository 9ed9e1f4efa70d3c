/** Text in columns: what a terminal shows, not what a string holds. */

import stringWidth from 'string-width'
import wrapAnsi from 'wrap-ansi'

/** Longer lines are hard to read, however wide the window is. */
const widest = 100

export interface Sized {
  readonly columns?: number | undefined
}

/** How many columns text may take: the last one stays free, since some terminals wrap as soon as it is filled. */
export function columnsOf(output: Sized): number {
  return Math.max(24, Math.min(widest, (output.columns ?? widest + 1) - 1))
}

export { stringWidth as widthOf }

/** Cuts plain text to so many columns, with `…` where something is missing. */
export function fit(text: string, columns: number): string {
  if (stringWidth(text) <= columns) return text
  let kept = ''
  for (const character of text) {
    if (stringWidth(kept + character) > columns - 1) break
    kept += character
  }
  return columns < 1 ? '' : `${kept}…`
}

/** Fills with spaces on the right up to so many columns. */
export function pad(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - stringWidth(text)))
}

/** The lines of plain text, wrapped at words, broken only where a word is wider than a line. */
export function wrap(text: string, columns: number): readonly string[] {
  return wrapAnsi(text.replaceAll('\t', '    '), Math.max(8, columns), { hard: true, trim: true }).split('\n')
}

/** One text at the left and one at the right of a line; undefined when both do not fit with a gap. */
export function spread(left: string, right: string, columns: number): string | undefined {
  const gap = columns - stringWidth(left) - stringWidth(right)
  return gap < 2 ? undefined : left + ' '.repeat(gap) + right
}

/** A lesson's hints, by the check that they help with. */

import { headingsOf, tokensOf } from './markdown.ts'

/**
 * Reads `hints.md`: under a heading `## <name of the check>` stands an ordered list, an item a hint, the
 * weakest first. Each hint is Markdown. A check's name is compared as it reads, without markup.
 */
export function hintsOf(markdown: string): ReadonlyMap<string, readonly string[]> {
  const tokens = tokensOf(markdown)
  const lines = markdown.split('\n')
  const checks = headingsOf(tokens).filter(({ level, isTop }) => isTop && level === 2)
  const items = tokens.filter(
    ({ type, level, markup }) => type === 'list_item_open' && level === 1 && isOrdered(markup),
  )
  return new Map(
    checks.map(({ text, line }, index) => {
      const end = checks[index + 1]?.line ?? lines.length
      const own = items.flatMap(({ map }) =>
        map && map[0] > line && map[0] < end ? [lines.slice(...map)] : [],
      )
      return [text, own.map(withoutMarker)]
    }),
  )
}

function isOrdered(markup: string): boolean {
  return markup === '.' || markup === ')'
}

/** The item's text, moved to the left by as much as its marker took. */
function withoutMarker(lines: readonly string[]): string {
  const [first = '', ...others] = lines
  const marker = first.length - first.trimStart().replace(/^\d+[.)]\s*/, '').length
  const moved = others.map((line) => line.slice(Math.min(marker, line.length - line.trimStart().length)))
  return [first.slice(marker), ...moved].join('\n').trimEnd()
}

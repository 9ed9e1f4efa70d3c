/** Text and markup: how a name gets into a page, and what of a page a reader sees. */

/** Text as it must stand in HTML, between tags and in attributes of either quote. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? character)
}

/**
 * How many words a reader of this HTML page sees.
 *
 * A word is a run of characters between white space that holds at least one letter or digit, so `a – b` are
 * two and `npm run check -- --json` are four. What no reader sees does not count: the head, scripts, styles,
 * comments, attributes. Markup inside a line does not part words (`<b>w</b>ord` is one), a block's edge does.
 */
export function countWords(html: string): number {
  const text = html
    .replace(/<!--.*?-->|<(head|script|style|template)\b.*?<\/\1\s*>/gis, ' ')
    .replace(/<\/?([a-z][a-z0-9]*)\b[^>]*>/gi, (_tag, name: string) =>
      inline.has(name.toLowerCase()) ? '' : ' ',
    )
    .replace(/&(?:amp|lt|gt|quot|nbsp|#39);/g, (entity) => characters[entity] ?? entity)
  // In two steps: one expression would read a long run without letters again from each of its characters.
  return (text.match(/\S+/g) ?? []).filter((run) => /[\p{L}\p{N}]/u.test(run)).length
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

const characters: Readonly<Record<string, string>> = {
  '&amp;': '&',
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&#39;': "'",
  '&nbsp;': '\u00a0',
}

const inline: ReadonlySet<string> = new Set(
  [
    'a',
    'abbr',
    'b',
    'bdi',
    'cite',
    'code',
    'del',
    'em',
    'i',
    'ins',
    'kbd',
    'mark',
    'q',
    's',
    'small',
    'span',
  ].concat(['strong', 'sub', 'sup', 'time', 'u', 'var', 'wbr']),
)

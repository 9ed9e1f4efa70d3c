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
    .replace(inlineTag, '')
    .replace(/<\/?[a-z][^>]*>/gi, ' ')
    .replace(/&(?:amp|lt|gt|quot|nbsp|#39);/g, (entity) => characters[entity] ?? entity)
  return wordsIn(text)
}

/** Runs between white space with a letter or digit in them, in one go: a page has two hundred thousand characters. */
function wordsIn(text: string): number {
  let words = 0
  let start = 0
  while (start < text.length) {
    let end = start
    let isPlain = false
    for (
      let code = text.charCodeAt(end);
      end < text.length && !isSpace(code);
      code = text.charCodeAt(++end)
    ) {
      isPlain ||= (code > 96 && code < 123) || (code > 64 && code < 91) || (code > 47 && code < 58)
    }
    if (isPlain || (end > start && /[\p{L}\p{N}]/u.test(text.slice(start, end)))) words += 1
    start = end + 1
  }
  return words
}

/** What `\s` matches. */
function isSpace(code: number): boolean {
  if (code < 128) return code === 32 || (code > 8 && code < 14)
  return wideSpaces.has(code)
}

const wideSpaces: ReadonlySet<number> = new Set(
  Array.from('\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a')
    .map((space) => space.charCodeAt(0))
    .concat([0x2028, 0x2029, 0x202f, 0x205f, 0x3000, 0xfeff]),
)

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

/** Tags that part no words. */
const inlineTag =
  /<\/?(?:a|abbr|b|bdi|cite|code|del|em|i|ins|kbd|mark|q|s|small|span|strong|sub|sup|time|u|var|wbr)\b[^>]*>/gi

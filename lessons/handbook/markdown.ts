/** Markdown as this book sets it: typographic quotes, coloured code, anchors, links that stay in the book. */

import { createRequire } from 'node:module'
import { posix } from 'node:path'
import type { HLJSApi, LanguageFn } from 'highlight.js'
// The bundle for browsers is one file and loads in a quarter of the time. Every worker waits for it.
import createMarkdown, { type MarkdownIt, type Token } from 'markdown-it/browser'
import { escapeHtml } from './words.ts'

export type { Token }

/** Where a text stands: links and anchors depend on it. */
export interface Place {
  readonly slug: string
  readonly number: number
  /** The lessons that the book has: a link to another one would lead nowhere. */
  readonly lessons: ReadonlySet<number>
}

/** The tokens of a lesson's README, with anchors and links as the book needs them, and its code coloured. */
export function parse(text: string, place: Place): Token[] {
  return markdown.parse(text, { place })
}

export function render(tokens: Token[]): string {
  return markdown.renderer.render(tokens, markdown.options, {})
}

export function renderInline(tokens: Token[]): string {
  return markdown.renderer.renderInline(tokens, markdown.options, {})
}

/** What a reader reads of a line, without its markup. */
export function plainText(inline: Token): string {
  return (inline.children ?? [])
    .filter(({ type }) => type === 'text' || type === 'code_inline' || type === 'text_special')
    .map(({ content }) => content)
    .join('')
}

const languages: Readonly<Record<string, string>> = {
  ts: 'typescript',
  js: 'typescript',
  typescript: 'typescript',
  javascript: 'typescript',
  sh: 'bash',
  bash: 'bash',
  json: 'json',
}

const highlighter = openHighlighter()

const markdown = openMarkdown()

function openMarkdown(): MarkdownIt {
  const parser = createMarkdown({ typographer: true })
  // Before the typographer's rules: GitHub makes its anchors of the quotes and dashes as they were typed.
  parser.core.ruler.after('inline', 'place', ({ tokens, env }) => {
    const { place } = env as { readonly place: Place }
    setAnchors(tokens, place)
    for (const token of tokens) if (token.children) setLinks(token.children, place)
  })
  // When the text is parsed, and not for each visitor: it would take longer than all the rest of a page.
  parser.core.ruler.push('colour', ({ tokens }) => {
    for (const token of tokens) {
      if (token.type === 'fence') token.meta = { html: codeBlock(token.content, token.info) }
    }
  })
  parser.renderer.rules['table_open'] = () => '<div class="table"><table>\n'
  parser.renderer.rules['table_close'] = () => '</table></div>\n'
  parser.renderer.rules['fence'] = (tokens, index) => String(tokens[index]?.meta?.['html'] ?? '')
  return parser
}

function setAnchors(tokens: readonly Token[], place: Place): void {
  const taken = new Map<string, number>()
  for (const [index, token] of tokens.entries()) {
    const inline = tokens[index + 1]
    if (token.type === 'heading_open' && inline)
      token.attrSet('id', `${place.number}-${anchorOf(plainText(inline), taken)}`)
  }
}

/**
 * GitHub's anchor of a heading, as the package github-slugger makes it (a test holds the two together);
 * the package itself would add a tenth to the time that every worker needs to load the handbook.
 */
export function anchorOf(heading: string, taken: Map<string, number>): string {
  const plain = heading
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\- ]/gu, '')
    .replaceAll(' ', '-')
  let anchor = plain
  while (taken.has(anchor)) {
    const again = (taken.get(plain) ?? 0) + 1
    taken.set(plain, again)
    anchor = `${plain}-${again}`
  }
  taken.set(anchor, 0)
  return anchor
}

/** Links between lessons become links inside the page; other files of the project are named, not linked. */
function setLinks(tokens: readonly Token[], place: Place): void {
  let isFile = false
  for (const token of tokens) {
    if (token.type === 'link_open') {
      const href = String(token.attrGet('href') ?? '')
      const target = linkTarget(href, place)
      isFile = target === undefined
      if (isFile) {
        token.tag = 'span'
        token.attrs = [
          ['class', 'file'],
          ['title', pathOf(href, place)],
        ]
      } else token.attrSet('href', target ?? '')
    } else if (token.type === 'link_close' && isFile) token.tag = 'span'
  }
}

function linkTarget(href: string, place: Place): string | undefined {
  if (/^[a-z][a-z0-9+.-]*:/i.test(href)) return href
  if (href.startsWith('#')) return `#${place.number}-${href.slice(1)}`
  const lesson = /^lessons\/(\d\d)-[^/]+(?:\/(?:README\.md)?)?(?:#(.+))?$/.exec(pathOf(href, place))
  const number = Number(lesson?.[1])
  if (!lesson || !place.lessons.has(number)) return undefined
  return lesson[2] === undefined ? `#lesson-${number}` : `#${number}-${lesson[2]}`
}

function pathOf(href: string, place: Place): string {
  return posix.join('lessons', place.slug, href)
}

function codeBlock(code: string, info: string): string {
  const language = languages[info.trim().split(/\s+/)[0] ?? '']
  // Plain text is a diagram or a program's output, whose lines must meet: the class sets them closer.
  if (language === undefined)
    return `<pre class="plain" tabindex="0"><code>${escapeHtml(code)}</code></pre>\n`
  return `<pre tabindex="0"><code>${highlighter.highlight(code, { language }).value}</code></pre>\n`
}

/** Loaded with `require`: as ES modules the same files take three times as long under tsx. */
function openHighlighter(): HLJSApi {
  const load = createRequire(import.meta.url)
  const api = (load('highlight.js/lib/core') as HLJSApi).newInstance()
  api.configure({ classPrefix: 'h-' })
  for (const name of new Set(Object.values(languages))) {
    api.registerLanguage(name, load(`highlight.js/lib/languages/${name}`) as LanguageFn)
  }
  return api
}

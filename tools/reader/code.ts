/** Program text, coloured line by line: for the terminal, and as HTML. */

import { createRequire } from 'node:module'
import type { HLJSApi, LanguageFn } from 'highlight.js'
import type { Paint } from './paint.ts'

/** The lines of a code block; a language that is not known stays as it is. */
export function codeLines(code: string, info: string, paint: Paint): readonly string[] {
  const language = languages[info.trim().split(' ', 1)[0] ?? '']
  const text = code.replace(/\n$/, '')
  if (!paint.isColoured || language === undefined) return text.split('\n')
  return painted(highlighter.highlight(text, { language }).value, paint).split('\n')
}

/** A code block as HTML, with the highlighter's classes; no span reaches over a line's end. */
export function codeHtml(code: string, info: string): string {
  const language = languages[info.trim().split(' ', 1)[0] ?? '']
  const text = code.replace(/\n$/, '')
  if (language === undefined) return text.replace(/[&<>]/g, (character) => entities[character] ?? character)
  return closedAtLineEnds(highlighter.highlight(text, { language }).value)
}

/** Each line can stand alone: what is open at its end is closed there and opened again on the next. */
function closedAtLineEnds(html: string): string {
  const open: string[] = []
  return html
    .split(/(<span class="[^"]*">|<\/span>|\n)/)
    .map((part) => {
      if (part === '\n') return `${'</span>'.repeat(open.length)}\n${open.join('')}`
      if (part === '</span>') open.pop()
      else if (part.startsWith('<span class=')) open.push(part)
      return part
    })
    .join('')
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' }

/** Turns the highlighter's `<span class="…">` into colours; an inner class covers the outer one. */
function painted(html: string, paint: Paint): string {
  const classes: string[] = []
  return html
    .split(/(<span class="[^"]*">|<\/span>)/)
    .map((part, index) => {
      if (index % 2 === 0) return paintLines(decoded(part), classes, paint)
      if (part === '</span>') classes.pop()
      else classes.push(part.slice('<span class="'.length, -2))
      return ''
    })
    .join('')
}

/** A colour must not reach over a line's end, where the next line's bar stands. */
function paintLines(text: string, classes: readonly string[], paint: Paint): string {
  return text
    .split('\n')
    .map((line) => (line === '' ? '' : paint.syntax(classes, line)))
    .join('\n')
}

function decoded(html: string): string {
  return html.replace(/&(?:amp|lt|gt|quot|#x27);/g, (entity) => characters[entity] ?? entity)
}

const characters: Readonly<Record<string, string>> = {
  '&amp;': '&',
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&#x27;': "'",
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

/** Loaded with `require`: as ES modules the same files take three times as long under tsx. */
function openHighlighter(): HLJSApi {
  const load = createRequire(import.meta.url)
  const api = (load('highlight.js/lib/core') as HLJSApi).newInstance()
  for (const name of new Set(Object.values(languages))) {
    api.registerLanguage(name, load(`highlight.js/lib/languages/${name}`) as LanguageFn)
  }
  return api
}

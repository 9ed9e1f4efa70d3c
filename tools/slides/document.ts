/** Decks as pages for a browser: each one file that needs no other and no network, and an index. */

import { readFileSync } from 'node:fs'
import type { Deck } from './deck.ts'
import { escaped } from './inline.ts'
import type { Slide } from './pages.ts'

export interface Page {
  /** The file's name. */
  readonly name: string
  readonly html: string
}

export function pagesOf(decks: readonly Deck[]): readonly Page[] {
  const style = assetNamed('deck.css')
  const script = assetNamed('player.js')
  return [
    { name: 'index.html', html: indexPage(decks, style) },
    ...decks.map((deck) => ({ name: `${deck.slug}.html`, html: deckPage(deck, style, script) })),
  ]
}

function deckPage(deck: Deck, style: string, script: string): string {
  const name = `${deck.number} · ${deck.title}`
  const leaves = deck.slides.map((slide, index) => leafOf(slide, name, index, deck.slides.length))
  return documentOf(
    `${name} · Every Core`,
    style,
    `<main class="stage">
${leaves.join('\n')}
</main>
<div class="progress"></div>
<nav class="bar" aria-label="Slides"><button data-key="ArrowLeft" aria-label="Back">‹</button><button data-key="ArrowRight" aria-label="Forward">›</button><button data-key="o" aria-label="All slides">≡</button><button data-key="?" aria-label="Keys">?</button></nav>
<dialog id="contents"><h2>${escaped(name)}</h2><ol></ol><p><a href="index.html">All lessons</a></p></dialog>
<dialog id="help"><h2>Keys</h2>${keyTable}<p><button>Close</button></p></dialog>
<script>
${script.replaceAll('</script', '<\\/script')}</script>`,
  )
}

function leafOf(slide: Slide, name: string, index: number, count: number): string {
  const notes = slide.notes.trim() === '' ? '<p>No notes on this slide.</p>' : slide.notes
  return `<article class="leaf" aria-label="${escaped(slide.title)}">
<section class="slide ${slide.kind}" id="${escaped(slide.id)}">${slide.html}<div class="foot"><span>${escaped(name)}</span><span>${index + 1} / ${count}</span></div></section>
<aside class="notes" aria-label="Notes">${notes}</aside>
</article>`
}

function indexPage(decks: readonly Deck[], style: string): string {
  const items = decks.map(
    ({ number, slug, title, point, slides }) =>
      `<li><a href="${slug}.html">${number} · ${escaped(title)}</a> <span class="part">${slides.length} slides</span><p>${point}</p></li>`,
  )
  return documentOf(
    'Slides · Every Core',
    style,
    `<main class="index"><h1>Every Core</h1>
<p>The slides, made from the lessons' texts and the instructor's notes. Each is one file that needs no network.</p>
<ol>
${items.join('\n')}
</ol>
${keyTable}</main>`,
  )
}

function documentOf(title: string, style: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<link rel="icon" href="data:,">
<style>
${style}</style>
</head>
<body>
${body}
</body>
</html>
`
}

function assetNamed(name: string): string {
  return readFileSync(new URL(name, import.meta.url), 'utf8')
}

const keyTable = `<table><tbody>
${[
  ['→ ↓ Space Enter', 'the answer, or the next slide; a swipe to the left does the same'],
  ['← ↑', 'back'],
  ['Home End', 'the first, the last'],
  ['O', 'all slides of the lesson'],
  ['F', 'full screen'],
  ['S', "the speaker's notes below the slide"],
  ['N', "the speaker's notes in a window of their own, for a second screen"],
  ['D', 'dark or light'],
  ['P', 'print, one slide a page; with the notes where S has opened them'],
  ['?', 'this list'],
]
  .map(
    ([keys = '', what = '']) =>
      `<tr><td>${keys
        .split(' ')
        .map((key) => `<kbd>${key}</kbd>`)
        .join(' ')}</td><td>${what}</td></tr>`,
  )
  .join('\n')}
</tbody></table>`

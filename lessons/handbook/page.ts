/** The page: a title, a table of contents, a chapter for each lesson, an index. */

import { bookplate, ornament } from './bookplate.ts'
import { type Chapter, chapterOf, type Lesson } from './chapter.ts'
import { script } from './script.ts'
import { render } from './markdown.ts'
import { style } from './style.ts'
import { indexOf } from './terms.ts'
import { escapeHtml } from './words.ts'

export function pageOf(lessons: readonly Lesson[], visitor: string): string {
  const name = nameOf(visitor)
  const chapters = chaptersOf(lessons)
  const index = indexOf(chapters.flatMap(({ sections }) => sections))
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Every Core: the handbook of ${name}</title>
<link rel="icon" href="data:,">
<style>${style}</style>
</head>
<body>
<header class="cover">
<p class="kicker">A workshop on the cluster module of Node.js</p>
<h1>Every Core</h1>
<p class="lead">One service, ${countOf(chapters.length)}, all the cores of a machine.</p>
<div class="owner">${bookplate(visitor)}<p>This copy was set for <bdi>${name}</bdi></p></div>
<p id="origin" role="status"></p>
</header>
<nav aria-label="Contents">
<h2>Contents</h2>
<ol>${chapters.map(contentsOf).join('\n')}
<li><a href="#index"><b>·</b> Index</a></li></ol>
</nav>
<main>
${chapters.map((chapter) => articleOf(chapter, chapters.length, visitor)).join('\n')}
<section class="index">
<h2 id="index">Index</h2>
<p>The names and terms of the lessons, each with the sections that speak of it.</p>
<div class="letters">${index}</div>
</section>
<footer>
<p>${ornament(visitor, 'end')}</p>
<p>Rendered by one synchronous function, for <bdi>${name}</bdi> alone.</p>
</footer>
</main>
<script>${script}</script>
</body>
</html>
`
}

/** A text is parsed and its code coloured once; a page is set, and its index made, for each visitor anew. */
function chaptersOf(lessons: readonly Lesson[]): readonly Chapter[] {
  const known = books.get(lessons)
  if (known !== undefined) return known
  const numbers = new Set(lessons.map(({ number }) => number))
  const chapters = lessons.map((lesson) => chapterOf(lesson, numbers))
  books.set(lessons, chapters)
  return chapters
}

const books = new WeakMap<readonly Lesson[], readonly Chapter[]>()

function contentsOf({ number, title, sections }: Chapter): string {
  const entries = sections.slice(1).map(({ id, title }) => `<li><a href="#${id}">${title}</a></li>`)
  const list = entries.length > 0 ? `<ol>${entries.join('')}</ol>` : ''
  return `<li><a href="#lesson-${number}"><b>${number}</b> ${title}</a>${list}</li>`
}

function articleOf({ number, title, tokens, words }: Chapter, total: number, visitor: string): string {
  const minutes = Math.max(1, Math.round(words / wordsPerMinute))
  const time = minutes === 1 ? 'a minute' : `${minutes} minutes`
  return `<article style="counter-set: chapter ${number}">
<header>
<p class="kicker">Lesson ${number} of ${total}</p>
<h2 id="lesson-${number}">${title}</h2>
<p class="ornament" aria-hidden="true">${ornament(visitor, title)}</p>
<p class="progress"><bdi>${nameOf(visitor)}</bdi>, this takes about ${time} to read.</p>
</header>
${render(tokens) || '<p>This lesson has no text yet.</p>\n'}</article>`
}

function countOf(lessons: number): string {
  return lessons === 1 ? 'one lesson' : `${numerals[lessons] ?? lessons} lessons`
}

function nameOf(visitor: string): string {
  return visitor.trim() === '' ? 'an unnamed reader' : escapeHtml(visitor)
}

const numerals = [
  'no',
  'one',
  'two',
  'three',
  'four',
  'five',
  'six',
  'seven',
  'eight',
  'nine',
  'ten',
  'eleven',
  'twelve',
]

/** Technical prose with code in it is read at about this pace. */
const wordsPerMinute = 180

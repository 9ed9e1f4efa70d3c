import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { lessons, projectRoot } from '../catalog.ts'
import { headingsOf, tokensOf, treeOf } from '../reader/markdown.ts'
import { type Deck, deckOf } from './deck.ts'
import { decksOf } from './decks.ts'
import { pagesOf } from './document.ts'
import { essenceOf, sentencesOf, textOf } from './inline.ts'
import { instructorNotesOf } from './instructor.ts'
import { paginated } from './pages.ts'
import { codePieces, inlineOf } from './pieces.ts'

const decks = decksOf(projectRoot)
const pages = pagesOf(decks)
describe('the slides of the lessons', () => {
  test('every lesson has a deck, in order, and the index leads to all of them', () => {
    expect(decks.map(({ slug }) => slug)).toEqual(lessons().map(({ slug }) => slug))
    expect(pages.map(({ name }) => name)).toEqual(['index.html', ...decks.map(({ slug }) => `${slug}.html`)])
    for (const { slug } of decks) expect(pages[0]?.html).toContain(`href="${slug}.html"`)
  })

  test.each(decks)(
    'lesson $number has a slide for each heading of its text, and each question has its own',
    (deck) => {
      const markdown = readFileSync(lessons()[deck.number - 1]?.readme ?? '', 'utf8')
      const html = pageOf(deck)
      for (const { text } of headingsOf(tokensOf(markdown))) expect(plain(html)).toContain(text)
      const questions = [...markdown.matchAll(/^\*\*(\d+)\.\*\*/gm)].map(([, number]) => number)
      expect(questions.length).toBeGreaterThan(1)
      for (const number of questions) expect(html).toContain(`id="question-${number}"`)
    },
  )

  test.each(decks)('every place in the slides of lesson $number is there once', (deck) => {
    const ids = idsOf(pageOf(deck))
    expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([])
  })

  test.each(pages)('every link of $name resolves', ({ name, html }) => {
    const inside = linksOf(html).filter((href) => !/^https?:/.test(href))
    for (const href of inside) {
      const [file = '', anchor] = href.split('#')
      const target = file === '' ? html : pages.find((page) => page.name === file)?.html
      expect(target, `${name} links to ${href}`).toBeDefined()
      if (anchor) expect(idsOf(target ?? ''), `${name} links to ${href}`).toContain(anchor)
    }
  })

  test.each(pages)('$name loads nothing', ({ html }) => {
    const withoutText = html.replaceAll(/<code>[\s\S]*?<\/code>/g, '')
    expect(withoutText).not.toMatch(
      /<(script|img|iframe|video|audio|source|object|embed)\b[^>]*\b(src|data)=/,
    )
    expect(withoutText).not.toMatch(/@import|url\(/)
    expect([...withoutText.matchAll(/<link\b[^>]*>/g)].map(String)).toEqual([
      '<link rel="icon" href="data:,">',
    ])
  })

  test.each(pages)('what a text says cannot become markup of $name', ({ html }) => {
    expect(html.match(/<script>/g)?.length ?? 0).toBe(html.includes('class="stage"') ? 1 : 0)
    expect(html.match(/<\/script/g)?.length ?? 0).toBe(html.includes('class="stage"') ? 1 : 0)
  })
})

describe('what is on a slide', () => {
  test('a long section is cut into slides, and none of them is fuller than a slide', () => {
    const piece = { html: '<p></p>', height: 100 }
    const cut = paginated(
      Array.from({ length: 12 }, () => piece),
      512,
    )
    expect(cut.map((page) => page.length)).toEqual([4, 4, 4])
  })

  test('what leads on stays with what follows', () => {
    const pieces = [
      ...Array.from({ length: 4 }, () => ({ html: '', height: 100 })),
      { html: 'a', height: 60, leadsOn: true },
      { html: 'b', height: 100 },
    ]
    expect(paginated(pieces, 512).map((page) => page.map(({ html }) => html).join(''))).toContain('ab')
  })

  test('a program that is too long is parted at an empty line, without losing one', () => {
    const lines = Array.from({ length: 50 }, (_, index) => (index % 7 === 6 ? '' : `line${index}()`))
    const parts = codePieces(lines.join('\n'), 'js')
    expect(parts.length).toBeGreaterThan(1)
    const told = parts.flatMap(({ html }) => plain(html).split('\n'))
    expect(told.filter((line) => line !== '')).toEqual(lines.filter((line) => line !== ''))
    for (const part of parts) expect(plain(part.html).startsWith('line')).toBe(true)
  })

  test('of a long paragraph it shows the first sentence and the bold ones; the notes have it whole', () => {
    const text = `The first sentence says what this is about, and takes some room for that. ${'Another adds to it. '.repeat(8)}**Never forget this.** And so on.`
    const { blocks, isCut } = essenceOf(inlineOf(treeOf(tokensOf(text))[0] ?? fail()))
    expect(isCut).toBe(true)
    expect(textOf(blocks)).toBe(
      'The first sentence says what this is about, and takes some room for that. Never forget this.',
    )
    const deck = deckOf({
      number: 1,
      slug: '01-a',
      title: 'A',
      markdown: `# A\n\nIdea.\n\n## B\n\n${text}\n`,
      notes: undefined,
    })
    expect(deck.slides[1]?.html).not.toContain('Another adds')
    expect(deck.slides[1]?.notes).toContain('Another adds')
  })

  test('a sentence does not end in code, in brackets or in a number', () => {
    const text = 'Call `a.b. C` (it is there. Really.) in 1.5 s. Then stop.'
    const sentences = sentencesOf(inlineOf(treeOf(tokensOf(text))[0] ?? fail())).map(textOf)
    expect(sentences).toEqual(['Call a.b. C (it is there. Really.) in 1.5 s. ', 'Then stop.'])
  })

  test('what a question prints is hidden until it is revealed', () => {
    const markdown =
      '# A\n\nIdea.\n\n## Predict first\n\n**1.** Which?\n\n```js run\nconsole.log(1)\n```\n\n```text\nprints\n1\n```\n'
    const deck = deckOf({ number: 1, slug: '01-a', title: 'A', markdown, notes: undefined })
    const question = deck.slides.find(({ id }) => id === 'predict-first')
    expect(question?.html).toMatch(/console.*<div class="answer"><pre class="output"/s)
  })
})

describe("the instructor's notes", () => {
  const markdown = `# Notes

## Lesson 1: first

The point.

### Say

- Something.

### Show

Do this:

\`\`\`sh
true
\`\`\`

### Ask

- **Why?** Because.

### Usual mistakes

| mistake | check |
| --- | --- |
| a | b |

## Lesson 2: second

Another point.
`

  test('are read by lesson', () => {
    const notes = instructorNotesOf(markdown)
    expect([...notes.keys()]).toEqual([1, 2])
    expect(notes.get(1)?.ask.length).toBe(1)
    expect(notes.get(2)?.say).toEqual([])
  })

  test('become slides to show and to ask, and notes for the speaker', () => {
    const notes = instructorNotesOf(markdown).get(1)
    const text =
      '# A\n\nIdea.\n\n## Predict first\n\n**1.** Which?\n\n## The contract\n\nIt.\n\n## Your task\n\nEdit.\n'
    const { slides: made, point } = deckOf({ number: 1, slug: '01-a', title: 'A', markdown: text, notes })
    expect(point).toBe('The point.')
    expect(made.map(({ id }) => id)).toEqual([
      'a',
      'predict-first',
      'to-show',
      'to-ask',
      'the-contract',
      'your-task',
    ])
    expect(made[0]?.notes).toContain('Something.')
    expect(made[3]?.html).toMatch(/Why\?.*<div class="answer">.*Because/s)
    expect(made[5]?.notes).toContain('Usual mistakes')
  })

  test('are there for every lesson, with all their parts', () => {
    const notes = instructorNotesOf(readFileSync(join(projectRoot, 'INSTRUCTOR.md'), 'utf8'))
    for (const { number } of lessons()) {
      const own = notes.get(number)
      for (const part of ['point', 'say', 'show', 'ask', 'mistakes'] as const) {
        expect(own?.[part].length, `lesson ${number}: ${part}`).toBeGreaterThan(0)
      }
    }
  })
})

function pageOf(deck: Deck): string {
  return pages.find(({ name }) => name === `${deck.slug}.html`)?.html ?? fail()
}

function idsOf(html: string): readonly string[] {
  return [...html.matchAll(/\bid="([^"]+)"/g)].map(([, id]) => id ?? '')
}

function linksOf(html: string): readonly string[] {
  return [...html.matchAll(/<a\b[^>]*\bhref="([^"]*)"/g)].map(([, href]) => href ?? '')
}

function plain(html: string): string {
  return html
    .replaceAll(/<[^>]+>/g, '')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&amp;', '&')
}

function fail(): never {
  throw new Error('It is not there.')
}

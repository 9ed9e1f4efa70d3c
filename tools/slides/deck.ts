/** The slides of a lesson, from its text and the instructor's notes on it. */

import { posix } from 'node:path'
import type { Block } from '../reader/markdown.ts'
import type { InstructorNotes } from './instructor.ts'
import { type Links, changed, escaped, essenceOf, inlineHtml, sentencesOf, textOf } from './inline.ts'
import { type Slide, slidesOf } from './pages.ts'
import { PRINTS, type Piece, type Setting, inlineOf, notesOf, paragraph, piecesOf } from './pieces.ts'
import { type Section, sectionsOf } from './sections.ts'

export interface Source {
  readonly number: number
  readonly slug: string
  readonly title: string
  /** The lesson's README. */
  readonly markdown: string
  readonly notes: InstructorNotes | undefined
}

export interface Deck {
  readonly number: number
  readonly slug: string
  readonly title: string
  /** The lesson in one sentence, as HTML. */
  readonly point: string
  readonly slides: readonly Slide[]
}

export function deckOf({ number, slug, title, markdown, notes }: Source): Deck {
  const links = linksOf(`lessons/${slug}`)
  const outer = linksOf('.')
  const [first, ...sections] = sectionsOf(markdown)
  const context: Context = { sections, links, notes }
  const point = notes === undefined ? '' : inlineHtml(notes.point.flatMap(inlineOf), outer)
  const opening = titleSlide({
    number,
    title,
    point,
    section: first,
    links,
    say: notesOf(notes?.say ?? [], outer),
  })
  const parts = ordered(sections).flatMap((section) => partsOf(section, context))
  return { number, slug, title, point, slides: [opening, ...parts] }
}

interface Context {
  readonly sections: readonly Section[]
  readonly links: Links
  readonly notes: InstructorNotes | undefined
}

/** A link to a lesson's text leads to its slides, one into the web stays, and any other file is not there. */
function linksOf(folder: string): Links {
  return (href) => {
    if (/^https?:/.test(href) || (href.startsWith('#') && folder !== '.')) return href
    const [path = '', anchor] = href.split('#')
    const slug = /^lessons\/(\d\d-[^/]+)\/(README\.md)?$/.exec(posix.join(folder, path))?.[1]
    return slug === undefined ? undefined : `${slug}.html${anchor === undefined ? '' : `#${anchor}`}`
  }
}

/** Short sections that follow each other share a slide: one that holds them all, in place of the first. */
function ordered(sections: readonly Section[]): readonly (Section | readonly Section[])[] {
  const parts: (Section | readonly Section[])[] = []
  let run: Section[] = []
  const close = (): void => {
    const [only] = run
    if (run.length > 1) parts.push(run)
    else if (only !== undefined) parts.push(only)
    run = []
  }
  for (const section of sections) {
    if (isShort(section)) run.push(section)
    else {
      close()
      parts.push(section)
    }
  }
  close()
  return parts
}

function isShort({ blocks, level, anchor }: Section): boolean {
  const [first] = blocks
  if (level !== 2 || blocks.length !== 1 || first?.token.type !== 'paragraph_open') return false
  return !own.has(anchor) && textOf(essenceOf(inlineOf(first)).blocks).length <= SHORT
}

/** Sections with slides of their own kind. */
const own = new Set([
  'predict-first',
  'the-contract',
  'your-task',
  'how-it-is-checked',
  'where-popular-advice-goes-wrong',
])

/** In characters of its essence: some three lines. */
const SHORT = 220

function partsOf(part: Section | readonly Section[], context: Context): readonly Slide[] {
  if (!('anchor' in part)) return shortSlides(part, context.links)
  const section = part
  const { links, notes } = context
  const { anchor, title, within } = section
  const setting: Setting = { links, essence: true }
  const heading = { anchor, title, ...(within !== undefined && { within }) }
  switch (anchor) {
    case 'predict-first':
      return [...questionSlides(section, context), ...showSlides(notes)]
    case 'the-contract':
      return [...askSlides(notes), ...slidesOf({ heading, pieces: piecesOf(section.blocks, setting) })]
    case 'your-task':
      return slidesOf({ heading, pieces: piecesOf(section.blocks, setting), notes: mistakesOf(notes) })
    case 'how-it-is-checked':
      return slidesOf({
        heading,
        pieces: piecesOf(section.blocks.map(namesOnly), setting),
        notes: notesOf(section.blocks, links) + mistakesOf(notes),
      })
    case 'where-popular-advice-goes-wrong':
      return slidesOf({
        heading,
        pieces: section.blocks.flatMap((block) => claimPieces(block, setting)),
        notes: notesOf(section.blocks, links),
      })
    default:
      return slidesOf({ heading, pieces: piecesOf(section.blocks, setting) })
  }
}

function titleSlide(title: {
  readonly number: number
  readonly title: string
  readonly point: string
  readonly section: Section | undefined
  readonly links: Links
  readonly say: string
}): Slide {
  const idea = title.section?.blocks.flatMap(inlineOf) ?? []
  return {
    id: title.section?.anchor ?? 'title',
    kind: 'title',
    title: title.title,
    html:
      `<p class="number">Every Core · lesson ${title.number}</p><h1>${escaped(title.title)}</h1>` +
      (title.point === '' ? '' : `<p class="point">${title.point}</p>`) +
      `<p class="idea">${inlineHtml(idea, title.links)}</p>`,
    notes: title.say,
  }
}

/** Each question on slides of its own; its answer is hidden until it is revealed. */
function questionSlides(section: Section, context: Context): readonly Slide[] {
  const { links } = context
  const whole: Setting = { links, essence: false }
  const numbers = section.blocks.flatMap((block, index) => (numberOf(block) === undefined ? [] : [index]))
  const opening = section.blocks.slice(0, numbers[0])
  return numbers.flatMap((at, index) => {
    const blocks = section.blocks.slice(at, numbers[index + 1])
    const number = numberOf(blocks[0] as Block) ?? index + 1
    const answered = blocks.findIndex((block, place) => place > 0 && isAnswer(block))
    const asked = answered < 0 ? blocks : blocks.slice(0, answered)
    const answer = answered < 0 ? referencesTo(number, context) : piecesOf(blocks.slice(answered), whole)
    const pieces = asked.flatMap((block, place) =>
      place === 0
        ? [{ ...paragraph(withoutNumber(block), whole), leadsOn: asked.length > 1 }]
        : piecesOf([block], whole),
    )
    return slidesOf({
      heading: {
        anchor: index === 0 ? section.anchor : `question-${number}`,
        title: `Predict first: question ${number}`,
        ...(index === 0 && { also: [`question-${number}`] }),
      },
      smallest: 0.75,
      pieces: [...pieces, ...answer.map((piece) => ({ ...piece, isAnswer: true }))],
      notes: index === 0 ? notesOf(opening, links) : '',
    })
  })
}

function numberOf(block: Block): number | undefined {
  const [strong] = inlineOf(block)
  const number =
    strong?.token.type === 'strong_open' ? /^(\d+)\.$/.exec(textOf(strong.blocks))?.[1] : undefined
  return number === undefined ? undefined : Number(number)
}

function withoutNumber(block: Block): readonly Block[] {
  return inlineOf(block).filter((inline, index) => index > 0 || inline.token.type !== 'strong_open')
}

/** What a block prints, or a paragraph between brackets, is the answer. */
function isAnswer(block: Block): boolean {
  if (block.token.type === 'fence') return block.token.content.startsWith(PRINTS)
  return /^\(.*\)$/s.test(textOf(inlineOf(block)).trim()) && block.token.type === 'paragraph_open'
}

/** Where the text comes back to a question, it answers it: in that sentence, or in the ones beside it. */
function referencesTo(number: number, { sections, links }: Context): readonly Piece[] {
  const mention = new RegExp(`\\bquestion ${number}\\b`)
  return sections
    .filter(({ anchor }) => anchor !== 'predict-first' && anchor !== 'where-popular-advice-goes-wrong')
    .flatMap(({ blocks }) => blocks.flatMap(paragraphsIn))
    .flatMap((block) => {
      const sentences = sentencesOf(inlineOf(block))
      const at = sentences.findIndex((sentence) => mention.test(textOf(sentence)))
      if (at < 0) return []
      return [paragraph(sentences.slice(Math.max(0, at - 1), at + 2).flat(), { links, essence: false })]
    })
}

function paragraphsIn(block: Block): readonly Block[] {
  return block.token.type === 'paragraph_open' ? [block] : block.blocks.flatMap(paragraphsIn)
}

/** A claim or a question in bold, and what to say to it, hidden until it is revealed. */
function claimPieces(block: Block, setting: Setting): readonly Piece[] {
  if (block.token.type === 'bullet_list_open') {
    return block.blocks.flatMap((item) => item.blocks.flatMap((inner) => claimPieces(inner, setting)))
  }
  const [claim, ...answer] = inlineOf(block)
  if (claim?.token.type !== 'strong_open' || answer.length === 0) return piecesOf([block], setting)
  const said = paragraph(answer, setting)
  return [
    { ...paragraph([claim], setting), leadsOn: true },
    { ...said, html: `<div class="rather">${said.html}</div>`, height: said.height + 14, isAnswer: true },
  ]
}

function showSlides(notes: InstructorNotes | undefined): readonly Slide[] {
  if (notes === undefined || notes.show.length === 0) return []
  const links = linksOf('.')
  return slidesOf({
    heading: { anchor: 'to-show', title: 'To show' },
    pieces: piecesOf(notes.show, { links, essence: true }),
  })
}

function askSlides(notes: InstructorNotes | undefined): readonly Slide[] {
  if (notes === undefined || notes.ask.length === 0) return []
  const setting: Setting = { links: linksOf('.'), essence: false }
  return slidesOf({
    heading: { anchor: 'to-ask', title: 'Questions to the room' },
    pieces: notes.ask.flatMap((block) => claimPieces(block, setting)),
  })
}

function mistakesOf(notes: InstructorNotes | undefined): string {
  if (notes === undefined || notes.mistakes.length === 0) return ''
  return `<h3>Usual mistakes</h3>${notesOf(notes.mistakes, linksOf('.'))}`
}

/** Of a list whose items begin with a name in bold, only the names. */
function namesOnly(block: Block): Block {
  if (block.token.type !== 'bullet_list_open') return block
  return { ...block, blocks: block.blocks.map((item) => ({ ...item, blocks: item.blocks.map(nameOnly) })) }
}

function nameOnly(block: Block): Block {
  const inline = block.blocks[0]?.token
  const children = (inline?.children ?? []).filter(({ content, type }) => type !== 'text' || content !== '')
  const end = children.findLastIndex(({ type }) => type === 'strong_close')
  if (inline === undefined || end < 0 || children[0]?.type !== 'strong_open') return block
  return {
    ...block,
    blocks: [{ token: changed(inline, { children: children.slice(0, end + 1) }), blocks: [] }],
  }
}

function shortSlides(sections: readonly Section[], links: Links): readonly Slide[] {
  const isRepeated = sections.every(({ blocks }) =>
    textOf(blocks.flatMap(inlineOf)).startsWith('As in lesson'),
  )
  const title = isRepeated ? 'As before' : 'In short'
  const pieces = sections.map((section) => shortPiece(section, links))
  return slidesOf({ heading: { anchor: `in-short-${sections[0]?.anchor ?? ''}`, title }, pieces })
}

function shortPiece({ title, anchor, blocks }: Section, links: Links): Piece {
  const piece = paragraph(blocks.flatMap(inlineOf), { links, essence: true })
  return {
    html: `<div class="short" id="${escaped(anchor)}"><h3>${escaped(title)}</h3>${piece.html}</div>`,
    height: piece.height + 40,
    ...(piece.notes !== undefined && { notes: piece.notes }),
  }
}

/** Pieces on as many slides as they need. */

import { escaped } from './inline.ts'
import { type Piece, room } from './pieces.ts'

export interface Slide {
  /** Its place in the page: a heading's anchor, with a number where a section takes several slides. */
  readonly id: string
  readonly kind: 'title' | 'content'
  readonly title: string
  readonly html: string
  /** What the speaker reads, as HTML. */
  readonly notes: string
}

export interface Heading {
  readonly anchor: string
  readonly title: string
  /** The section that this one is a part of. */
  readonly within?: string
  /** Other anchors that lead to its first slide. */
  readonly also?: readonly string[]
}

export function slidesOf(section: {
  readonly heading: Heading
  readonly pieces: readonly Piece[]
  /** For the first slide, before the notes of its pieces. */
  readonly notes?: string
  /** How small it may get where that saves a second slide: 1 is full size. */
  readonly smallest?: number
}): readonly Slide[] {
  const { heading, pieces, notes = '', smallest = 0.84 } = section
  if (pieces.length === 0) return []
  const isNearlyOne = heightOf(pieces) <= room.height / smallest
  const pages = isNearlyOne ? [pieces] : paginated(pieces, room.height, smallest)
  return pages.map((page, index) => ({
    id: index === 0 ? heading.anchor : `${heading.anchor}--${index + 1}`,
    kind: 'content',
    title: heading.title,
    html: `${headOf(heading, index, pages.length)}<div class="body"${sizeOf(page)}>${framed(page)}</div>`,
    notes: (index === 0 ? notes : '') + page.map((piece) => piece.notes ?? '').join('\n'),
  }))
}

/** What is a little too much for a slide gets as much smaller. */
function sizeOf(page: readonly Piece[]): string {
  const fit = room.height / heightOf(page)
  return fit >= 1 ? '' : ` style="--fit:${(Math.floor(fit * 100) / 100).toFixed(2)}"`
}

/** As few pages as do, filled as evenly as they can be. What must not be parted may take 1 / smallest of a page. */
export function paginated(
  pieces: readonly Piece[],
  height: number,
  smallest = 1,
): readonly (readonly Piece[])[] {
  const groups = groupsOf(pieces, height / smallest)
  const fewest = filled(groups, height)
  if (fewest.length < 2) return fewest
  const even = heightOf(pieces) / fewest.length
  for (let limit = even; limit < height; limit += height / 25) {
    const pages = filled(groups, limit)
    if (pages.length === fewest.length && pages.every((page) => fits(page, groups, height))) return pages
  }
  return fewest
}

function fits(page: readonly Piece[], groups: readonly (readonly Piece[])[], height: number): boolean {
  return (
    heightOf(page) <= height || groups.some((group) => group.length === page.length && group[0] === page[0])
  )
}

function filled(groups: readonly (readonly Piece[])[], height: number): readonly (readonly Piece[])[] {
  const pages: Piece[][] = [[]]
  for (const group of groups) {
    const page = pages.at(-1) ?? []
    if (page.length > 0 && heightOf([...page, ...group]) > height) pages.push([...group])
    else page.push(...group)
  }
  return pages.filter((page) => page.length > 0)
}

/** A piece that leads on stays with the one after it. */
function groupsOf(pieces: readonly Piece[], height: number): readonly (readonly Piece[])[] {
  const groups: Piece[][] = []
  for (const [index, piece] of pieces.entries()) {
    if (pieces[index - 1]?.leadsOn === true && heightOf([...(groups.at(-1) ?? []), piece]) <= height) {
      groups.at(-1)?.push(piece)
    } else groups.push([piece])
  }
  return groups
}

function heightOf(pieces: readonly Piece[]): number {
  return pieces.reduce((sum, piece, index) => {
    const opens = piece.frame !== undefined && piece.frame !== pieces[index - 1]?.frame
    return sum + piece.height + (opens ? (piece.frame?.height ?? 0) : 0)
  }, 0)
}

function headOf({ title, within, anchor, also = [] }: Heading, index: number, count: number): string {
  const part = count > 1 ? ` <span class="part">${index + 1}/${count}</span>` : ''
  const places = index === 0 ? also.map((place) => `<a id="${escaped(place)}"></a>`).join('') : ''
  const eyebrow = within === undefined ? '' : `<p class="within">${escaped(within)}</p>`
  return `<header data-section="${escaped(anchor)}">${places}${eyebrow}<h2>${escaped(title)}${part}</h2></header>`
}

/** Neighbours of one list or table stand in it together; answers have a box around them. */
function framed(pieces: readonly Piece[]): string {
  return pieces
    .map((piece, index) => {
      const [before, after] = [pieces[index - 1], pieces[index + 1]]
      const frame = piece.frame
      const inner =
        (frame !== undefined && frame !== before?.frame ? frame.open : '') +
        piece.html +
        (frame !== undefined && frame !== after?.frame ? frame.close : '')
      const opens = piece.isAnswer === true && !isSameAnswer(before, piece)
      const closes = piece.isAnswer === true && !isSameAnswer(piece, after)
      return `${opens ? '<div class="answer">' : ''}${inner}${closes ? '</div>' : ''}`
    })
    .join('')
}

function isSameAnswer(one: Piece | undefined, other: Piece | undefined): boolean {
  return one?.isAnswer === true && other?.isAnswer === true
}

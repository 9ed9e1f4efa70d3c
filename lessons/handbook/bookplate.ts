/** The visitor's own mark: a symmetric pattern made of a name, as a bookplate and as ornaments. */

/** An SVG picture of 7 by 7 fields, mirrored, for this name. */
export function bookplate(name: string): string {
  const fields: string[] = []
  let state = hash(name)
  for (let y = 0; y < 7; y++) {
    for (let x = 0; x < 4; x++) {
      state = step(state)
      if (state % 5 < 2) continue
      fields.push(`M${x} ${y}h1v1h-1z`)
      if (x < 3) fields.push(`M${6 - x} ${y}h1v1h-1z`)
    }
  }
  return `<svg class="bookplate" viewBox="-1 -1 9 9" aria-hidden="true"><path d="${fields.join('')}"/></svg>`
}

/** A row of eleven marks, mirrored, for this name in this lesson. */
export function ornament(name: string, lesson: string): string {
  const marks: string[] = []
  let state = hash(`${lesson} ${name}`)
  for (let place = 0; place < 6; place++) {
    state = step(state)
    marks.push('·•◦◆◇–'.charAt(state % 6))
  }
  return [...marks, ...marks.slice(0, -1).reverse()].join(' ')
}

/** FNV-1a over UTF-16 code units, 32 bits. */
function hash(text: string): number {
  let state = 0x811c9dc5
  for (let index = 0; index < text.length; index++)
    state = Math.imul(state ^ text.charCodeAt(index), 0x01000193)
  return state >>> 0
}

/** Marsaglia's xorshift with 13, 17, 5; zero would stay zero. */
function step(state: number): number {
  let next = state || 1
  next ^= next << 13
  next ^= next >>> 17
  next ^= next << 5
  return next >>> 0
}

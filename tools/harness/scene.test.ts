import { describe, expect, test } from 'vitest'
import { agreedOn } from './banner.ts'
import { likelyMiscount } from './hits.ts'

describe('what is said of a wrong total', () => {
  const hits = { total: 12, own: 5 }

  test('tells one worker’s own count from a count that is doubled', () => {
    expect(likelyMiscount(hits, 5)).toContain('its own count')
    expect(likelyMiscount(hits, 24)).toContain('counted twice')
  })

  test('tells too many from too few', () => {
    expect(likelyMiscount(hits, 13)).toContain('more than once')
    expect(likelyMiscount(hits, 11)).toContain('not told in time')
    expect(likelyMiscount(hits, 12)).toContain('the wrong workers')
  })
})

describe('workers agree', () => {
  test('on the one banner that all of them have, an empty one too', () => {
    expect(
      agreedOn(
        new Map([
          [1, 'new'],
          [2, 'new'],
        ]),
        ['old', 'new'],
      ),
    ).toBe('new')
    expect(agreedOn(new Map([[1, '']]), [''])).toBe('')
  })

  test('not if one has another, has none, or if it is none of those that are due', () => {
    expect(
      agreedOn(
        new Map([
          [1, 'new'],
          [2, 'old'],
        ]),
        ['old', 'new'],
      ),
    ).toBeUndefined()
    expect(
      agreedOn(
        new Map([
          [1, 'new'],
          [2, undefined],
        ]),
        ['old', 'new'],
      ),
    ).toBeUndefined()
    expect(agreedOn(new Map([[1, 'other']]), ['old', 'new'])).toBeUndefined()
    expect(agreedOn(new Map(), ['old', 'new'])).toBeUndefined()
  })
})

/** How much chance is in identifiers, as far as that can be seen from outside. */

/**
 * At most so many bits differ from identifier to identifier: the sum, over all places, of the logarithm of how many
 * characters were seen there. 16 random bytes come to 128 in hexadecimal and to 127.9 in base 64 once 400 of them are
 * known; a UUID comes to 122. It cannot see whether the characters are random: a hash of the time has many bits, too.
 * Longer identifiers than most are cut, shorter ones are padded: their length differs with leading zeros.
 */
export function bitsOf(identifiers: readonly string[]): number {
  const length = Math.max(0, ...identifiers.map((identifier) => identifier.length))
  let bits = 0
  for (let place = 0; place < length; place += 1) {
    // From the end, so that numbers of different length stand below each other.
    const seen = new Set(identifiers.map((identifier) => identifier.at(-1 - place) ?? ''))
    bits += Math.log2(seen.size)
  }
  return bits
}

/**
 * Whether two series of identifiers are made of the same: most of them have eight characters in a row in common with
 * the one of the same number in the other series, at the same place. Characters that all of them have in common, such
 * as a prefix, do not count. Of random ones, not one in a million does that once.
 */
export function comeAgain(first: readonly string[], second: readonly string[]): boolean {
  const all = [...first, ...second]
  const varies = (place: number): boolean => new Set(all.map((identifier) => identifier[place])).size > 1
  const alike = first.filter((identifier, index) => haveRunInCommon(identifier, second[index] ?? '', varies))
  return alike.length >= first.length / 2
}

const RUN = 8

function haveRunInCommon(one: string, other: string, varies: (place: number) => boolean): boolean {
  let run = 0
  for (let place = 0; place < one.length && run < RUN; place += 1) {
    if (!varies(place)) continue
    run = one[place] === other[place] ? run + 1 : 0
  }
  // Short ones are made again as a whole.
  return run === RUN || one === other
}

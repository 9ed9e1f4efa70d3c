/** Claims that take long and little of the machine are looked at together, and each is told by its own check. */

import { oneCheckAlone } from './session.ts'
import { rememberWitness } from './witnesses.ts'

/**
 * Begins all stories at the first call of any of them. Each call resolves or rejects with its own story; what the
 * others come to is kept until it is asked for.
 */
export function sideBySide<Name extends string>(
  stories: Readonly<Record<Name, () => Promise<void>>>,
): Readonly<Record<Name, () => Promise<void>>> {
  const names = Object.keys(stories) as Name[]
  let begun: ReadonlyMap<Name, Promise<void>> | undefined
  const begin = (): ReadonlyMap<Name, Promise<void>> => {
    const all = new Map(names.map((name) => [name, stories[name]()]))
    // One that fails before it is asked for is no unhandled rejection.
    for (const story of all.values()) story.catch(rememberWitness)
    return all
  }
  const told = names.map((name) => [
    name,
    async (): Promise<void> => {
      // Where one check alone is asked for, the others' stories would only be in its way.
      if (oneCheckAlone()) return stories[name]()
      begun ??= begin()
      await begun.get(name)
    },
  ])
  return Object.fromEntries(told) as Record<Name, () => Promise<void>>
}

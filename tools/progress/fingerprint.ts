/** The learner's files of one lesson, and a value that changes when and only when one of them does. */

import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'

const sources = /\.(?:[mc]?ts|[mc]?js|json)$/

/** Whether a path inside a lesson's folder is one that a learner writes programs in. */
export function isSource(path: string): boolean {
  return sources.test(path) && !isHidden(path)
}

/** Editors' swap files and lock files begin with a dot; installed packages are nobody's edit. */
export function isHidden(path: string): boolean {
  return path
    .split(sep)
    .some((part) => part === 'node_modules' || (part.startsWith('.') && part !== '.' && part !== '..'))
}

/** Programs: what no program under check writes itself. */
export function isCode(path: string): boolean {
  return !path.endsWith('.json')
}

/**
 * @param folder the lesson's
 * @param counts which of its files matter, by absolute path
 * @returns undefined when a file went away while it was read, as it does for a moment when an editor saves
 */
export async function fingerprintOf(
  folder: string,
  counts: (path: string) => boolean = () => true,
): Promise<string | undefined> {
  try {
    const hash = createHash('sha256')
    for (const path of (await sourcesIn(folder)).filter(counts)) {
      const content = await readFile(path)
      hash.update(`${relative(folder, path)}\0${content.length}\0`).update(content)
    }
    return hash.digest('hex').slice(0, 32)
  } catch {
    return undefined
  }
}

/** Absolute paths of the learner's files, sorted. */
export async function sourcesIn(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => isSource(relative(folder, path)))
    .sort()
}

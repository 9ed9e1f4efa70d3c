/**
 * Folders for what programs under check keep on the disk. They lie under `.workshop/`, and go with the run; where
 * nobody may write there, as in a read-only clone, they are temporary files.
 */

import { accessSync, constants, mkdirSync, rmdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

/** @param {string} folder made when it is not there */
export function canWriteTo(folder) {
  try {
    mkdirSync(folder, { recursive: true })
    accessSync(folder, constants.W_OK)
    return true
  } catch {
    return false
  }
}

export class Folders {
  /** @type {Set<string>} one for each project */
  #places = new Set()
  #given = 0

  /** @param {string} run */
  constructor(run) {
    this.run = run
  }

  /** The path of a folder that is not there yet and that nobody else is given. @param {string} root the project's */
  next(root) {
    const place = this.#placeIn(root)
    this.#places.add(place)
    this.#given += 1
    return join(place, String(this.#given))
  }

  /** @param {string} root */
  #placeIn(root) {
    const ours = join(root, '.workshop', 'data')
    return canWriteTo(ours) ? join(ours, this.run) : join(tmpdir(), `every-core-${this.run}`, 'data')
  }

  /** Removes all of them, with what is in them. Nobody may write there any more. */
  remove() {
    for (const place of this.#places) {
      try {
        rmSync(place, { recursive: true, force: true, maxRetries: 3 })
        rmdirSync(dirname(place))
      } catch {
        // Another run has folders there too, or this one's cannot be removed: they stay under `.workshop/`.
      }
    }
  }
}

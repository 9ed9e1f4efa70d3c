// Whether the dependencies are there. Read at every start, so two files are compared and nothing else is done.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * @param {string} root the project
 * @returns {boolean} whether node_modules holds what package-lock.json asks for
 */
export function readyToRun(root) {
  const wanted = read(join(root, 'package-lock.json'))
  const hidden = read(join(root, 'node_modules', '.package-lock.json'))
  if (hidden === undefined) return false
  if (wanted === undefined) return true
  const stamp = stampAt(root)
  const seen = `${wanted}${hidden}`
  if (read(stamp) === seen) return true
  if (!holds(hidden, wanted)) return false
  write(stamp, seen)
  return true
}

/** The two lock files as they were when they agreed: comparing text is much quicker than parsing it. @param {string} root */
function stampAt(root) {
  return join(root, 'node_modules', '.every-core')
}

/**
 * npm writes what it has installed into node_modules/.package-lock.json. Optional packages of other platforms are in
 * the project's lock file only.
 * @param {string} hidden
 * @param {string} wanted
 */
function holds(hidden, wanted) {
  const installed = packagesOf(hidden)
  const locked = packagesOf(wanted)
  if (installed === undefined || locked === undefined) return false
  for (const [path, entry] of Object.entries(locked)) {
    if (path === '' || (entry.optional && installed[path] === undefined)) continue
    const found = installed[path]
    if (found === undefined || found.version !== entry.version || found.integrity !== entry.integrity)
      return false
  }
  return true
}

/**
 * @typedef {{ version?: string, integrity?: string, optional?: boolean }} LockedPackage
 * @param {string} text
 * @returns {Record<string, LockedPackage> | undefined}
 */
function packagesOf(text) {
  try {
    return JSON.parse(text).packages
  } catch {
    return undefined
  }
}

/** @param {string} path */
function read(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

/** Without the stamp all works the same, a few milliseconds later. @param {string} path @param {string} text */
function write(path, text) {
  try {
    writeFileSync(path, text)
  } catch {
    return
  }
}

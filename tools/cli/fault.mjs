// What is said when the workshop itself is at fault. Plain JavaScript: it must work when nothing else does.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join, relative } from 'node:path'

/**
 * Writes a report of an unexpected error.
 * @param {string} root the project
 * @param {unknown} error
 * @param {readonly string[]} argv the command and its arguments
 * @returns {string} what to tell the person
 */
export function reportFault(root, error, argv) {
  const first = error instanceof Error ? error.message.split('\n', 1)[0] : String(error)
  return `The workshop itself is at fault here, not your program: ${first}\n${pleaFor(root, stackOf(error), argv)}\n`
}

/**
 * Writes a report.
 * @param {string} root the project
 * @param {string} what happened
 * @param {readonly string[]} argv the command and its arguments
 * @returns {string} how to report it
 */
export function pleaFor(root, what, argv) {
  const report = [
    `command   ${argv.join(' ')}`,
    `workshop  ${versionOf(root)}`,
    `node      ${process.version} on ${process.platform}-${process.arch}, ${cpus().length} cores`,
    `time      ${new Date().toISOString()}`,
    '',
    what,
    '',
  ].join('\n')
  const path = save(root, report)
  return path === undefined ? `Please report this:\n\n${report}` : `Please report it with the file ${path}.`
}

/**
 * @param {string} root
 * @param {string} report
 */
function save(root, report) {
  const folder = join(root, '.workshop', 'reports')
  const path = join(folder, `${new Date().toISOString().replace(/[:.]/g, '-')}.txt`)
  try {
    mkdirSync(folder, { recursive: true })
    writeFileSync(path, report)
    return relative(process.cwd(), path)
  } catch {
    return undefined
  }
}

/**
 * @param {unknown} error
 * @returns {string}
 */
function stackOf(error) {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause === undefined ? '' : `\ncaused by: ${stackOf(error.cause)}`
  return `${error.stack ?? error.message}${cause}`
}

/** @param {string} root */
function versionOf(root) {
  try {
    return JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version
  } catch {
    return 'unknown'
  }
}

/** What a learner reads when a check fails, without what differs from run to run. */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { CheckResult } from '../harness/verdict.ts'

/** The message of a failed check as pinned text: numbers become `#`. */
export function transcriptOf(result: CheckResult): string {
  const lines = [
    `check     ${result.name}`,
    `expected  ${normalised(result.expected)}`,
    `got       ${normalised(result.got)}`,
    `likely    ${result.likely ?? ''}`,
    `read      ${result.read ?? ''}`,
    `repeat    ${(result.repeat ?? '').replaceAll(/\S*\b(checks|solutions|lessons)\/\S+\/\S+\.[cm]?[jt]s/g, 'FILE')}`,
  ]
  return `${lines.map((line) => line.trimEnd()).join('\n')}\n`
}

/** Exit codes stay; every other number is one that a run may have otherwise, and so is a hash. */
function normalised(text = ''): string {
  return text
    .replaceAll(/\b[\da-f]{32,}\b/g, '#')
    .replaceAll(/(?<!exit code )-?\b\d+(\.\d+)?\b/g, '#')
    .replaceAll(/#(,\s?#)+(, …)?/g, '#, …')
    .replaceAll(/# workers? (was|were)/g, '# workers were')
    .replaceAll(/# worker\b/g, '# workers')
}

/** Compares with the pinned text, or pins it. Returns what differs, if anything. */
export function compareTranscript(path: string, text: string, update: boolean): string | undefined {
  const pinned = read(path)
  if (pinned === text) return undefined
  if (update) {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
    return undefined
  }
  if (pinned === undefined)
    return `no message is pinned in ${path}: run \`npm test -- --update\` and read what it writes`
  return `the message is not the pinned one.\n--- pinned\n${pinned}--- now\n${text}`
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

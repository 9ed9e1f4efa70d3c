/** What a learner should know of this machine before the first lesson: only what takes a few milliseconds to see. */

import { accessSync, constants, existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Finding } from './finding.ts'
import {
  type Resources,
  judgeCores,
  judgeMemory,
  judgeOpenFiles,
  judgeTasks,
  resources,
} from './resources.ts'

/** One line; undefined where nothing matters. */
export function cautionFor(root: string, counted: Resources = resources()): string | undefined {
  const findings: readonly Finding[] = [
    judgeCores(counted),
    judgeMemory(counted),
    judgeOpenFiles(counted),
    judgeTasks(counted),
    writable(root),
  ].filter(({ fitness }) => fitness !== 'good')
  const [first] = [...findings.filter(({ fitness }) => fitness === 'bad'), ...findings]
  if (first === undefined) return undefined
  const more = findings.length > 1 ? `, and ${findings.length - 1} more` : ''
  return `! ${first.subject}: ${first.found}${more}. What that means: npm run doctor`
}

function writable(root: string): Finding {
  const workshop = join(root, '.workshop')
  const subject = 'project folder'
  try {
    accessSync(existsSync(workshop) ? workshop : root, constants.W_OK)
    return { subject, fitness: 'good', found: root }
  } catch {
    return { subject, fitness: 'bad', found: 'it cannot be written to' }
  }
}

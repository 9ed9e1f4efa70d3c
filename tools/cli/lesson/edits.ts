/** What the learner edited since the last grading began. A program under check may write files, too. */

import { existsSync } from 'node:fs'
import type { Lesson } from '../../catalog.ts'
import { fingerprintOf, isCode } from '../../progress/fingerprint.ts'

export interface Edits {
  /** A grading begins. @returns the fingerprint of what it grades; undefined while a file is missing */
  begin(): Promise<string | undefined>
  /** It has ended: data files that changed meanwhile are the program's. */
  end(): Promise<void>
  /** Whether the files are other ones than those that were graded. */
  differ(): Promise<boolean>
  /** The next `differ` is true, whatever the files hold. */
  forget(): void
}

/** A program that was told to end may write a last time. */
const afterwardsMs = 1000

export function editsOf(lesson: Lesson): Edits {
  let code: string | undefined
  let all: string | undefined
  let running = false
  let endedAt = 0
  const look = (): Promise<readonly [string | undefined, string | undefined]> =>
    Promise.all([fingerprintOf(lesson.folder, isCode), fingerprintOf(lesson.folder)])
  return {
    async begin() {
      const [codeNow, allNow] = await look()
      if (codeNow === undefined || allNow === undefined || !existsSync(lesson.starter)) {
        code = undefined
        return undefined
      }
      code = codeNow
      all = allNow
      running = true
      return allNow
    },
    async end() {
      all = await fingerprintOf(lesson.folder)
      running = false
      endedAt = performance.now()
    },
    async differ() {
      const [codeNow, allNow] = await look()
      if (codeNow === undefined || allNow === undefined) return false
      if (codeNow !== code) return true
      const programs = running || performance.now() - endedAt < afterwardsMs
      const changed = allNow !== all && !programs
      all = allNow
      return changed
    },
    forget() {
      code = undefined
    },
  }
}

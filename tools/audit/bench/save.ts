/** From a save of the learner's file to the first ✓ or ✗ of `npm run lesson N`, in a terminal. */

import { readFileSync, writeFileSync } from 'node:fs'
import { MARK, signal, start } from './spawned.ts'

const WITHIN = 60_000
const WAITING = /waiting for a save/

/**
 * Saves the file so often, a line longer each time, and waits until the lesson waits for a save again.
 * @param folder a copy of the project; `file`, absolute, in it is the learner's and does not pass
 * @returns ms for each save
 * @throws where no mark came, with what was on the screen
 */
export async function timeSaves(
  folder: string,
  { number, file }: { readonly number: number; readonly file: string },
  times: number,
): Promise<readonly number[]> {
  // `script` lends the command a terminal: in one the lesson stays and checks at every save.
  const session = start(['script', '-qfec', `stty cols 100 rows 40; npm run lesson ${number}`, '/dev/null'], {
    cwd: folder,
    env: { TERM: 'xterm' },
  })
  const text = readFileSync(file, 'utf8')
  const results: number[] = []
  try {
    if ((await session.says(WAITING, 0, WITHIN)) === undefined)
      throw new Error(`the lesson does not wait for a save:\n${session.output().slice(-1_000)}`)
    for (let save = 1; save <= times; save += 1) {
      const from = session.output().length
      writeFileSync(file, `${text}// save ${save}\n`)
      const ms = await session.says(MARK, from, WITHIN)
      if (ms === undefined) throw new Error(`nothing came after a save:\n${session.output().slice(-1_000)}`)
      results.push(ms)
      // Before the mark its screen may have been drawn once more as it was.
      if ((await session.says(WAITING, session.output().length, WITHIN)) === undefined)
        throw new Error(`the check after a save did not end:\n${session.output().slice(-1_000)}`)
    }
    session.child.stdin?.write('q')
    await Promise.race([session.ended, new Promise((resolve) => setTimeout(resolve, 5_000).unref())])
    return results
  } finally {
    signal(session, 'SIGKILL')
  }
}

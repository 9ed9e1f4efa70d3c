/** What keeps a program from getting on that it cannot tell by itself: a process that is stopped, or a blocked event loop. */

import type { Finding } from './problems.ts'
import type { Program } from './program.ts'

/** How a program is held still, for a message that says what it has not done; undefined for one that is not. */
export async function heldStill(program: Program): Promise<Pick<Finding, 'got' | 'likely'> | undefined> {
  const stopped = (await program.processes()).filter(({ state }) => state === 'T')
  if (stopped.length > 0) {
    const likely = 'something sends it SIGSTOP or SIGTSTP, and only SIGCONT lets it go on'
    if (stopped.some(({ pid }) => pid === program.pid))
      return { got: 'its first process is stopped (SIGSTOP)', likely }
    return {
      got: `${stopped.length} of its processes ${stopped.length === 1 ? 'is' : 'are'} stopped (SIGSTOP)`,
      likely,
    }
  }
  const watched = program.eventsOf('hello').some(({ pid }) => pid === program.pid)
  if (!watched || (await program.answers())) return undefined
  return {
    got: 'the event loop of its first process is blocked',
    likely:
      'an endless loop, or a call that waits (readFileSync of a pipe, execSync, Atomics.wait), before it listens',
  }
}

/** When a program whose primary is a proxy is ready, and what it means when it does not get there. */

import { patientNow, seconds } from './patience.ts'
import { Mismatch } from './problems.ts'
import type { Program } from './program.ts'

/** The contract's time to listen. */
const TIME_TO_LISTEN = seconds(10)
/** A program that does nothing for so long, with no worker on its way, has done what it does. */
const QUIET = seconds(2.5)

/** Waits until the primary itself serves PORT and so many workers listen, anywhere. A Mismatch says what is instead. */
export async function settleProxy(program: Program, workers: number): Promise<void> {
  let quietSince = patientNow()
  let seen = 0
  const look = (): 'ready' | 'handed over' | 'quiet' | undefined => {
    if (program.events.length !== seen) {
      seen = program.events.length
      quietSince = patientNow()
    }
    if (program.listening.some((worker) => worker.ports.includes(program.port))) return 'handed over'
    if (servesPort(program) && program.listening.length >= workers) return 'ready'
    const onTheWay = program.workers.some((worker) => worker.state === 'forked' || worker.state === 'online')
    const began = program.workers.length > 0 || program.eventsOf('server-listening').length > 0
    // A worker that never listens stays on its way: whoever opens PORT without it is done.
    const done = !onTheWay || servesPort(program)
    return began && done && patientNow() - quietSince > QUIET ? 'quiet' : undefined
  }
  const found = await program.until(look, { within: TIME_TO_LISTEN })
  if (found === 'ready') return
  throw new Mismatch({ ...finding(program, workers, found), read: 'the-contract', repeat: program.command })
}

function servesPort(program: Program): boolean {
  return program.portsOfPrimary().includes(program.port)
}

function finding(program: Program, workers: number, found: string | undefined) {
  const expected = `within 10 s, ${workers} workers listen, each for itself, and the primary serves the port that PORT names`
  if (found === 'handed over') {
    return {
      expected,
      got: 'workers listen on PORT',
      likely:
        'a listen on PORT in a worker makes the primary hand connections over, as in the lessons before; here the primary calls createServer and listens itself, and workers have ports of their own',
    }
  }
  const now = program.listening.length
  const forked = program.workers.length
  const got = `${forked} ${forked === 1 ? 'worker was' : 'workers were'} forked, ${now} of them listened, and the primary ${servesPort(program) ? 'serves' : 'does not serve'} PORT`
  if (forked === 0)
    return { expected, got, likely: 'nothing in the primary calls cluster.fork(), or it has not come so far' }
  if (!servesPort(program) && now >= workers) {
    return {
      expected,
      got,
      likely:
        'the primary does not learn that its workers listen: of an exclusive listen no listening event comes, so the worker has to tell',
    }
  }
  return {
    expected,
    got,
    likely: 'a worker does not reach its listen(): look at what it does before, and at its error output',
  }
}

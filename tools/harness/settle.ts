/** When a program is ready, and what it means when it does not get there. */

import { patientNow, seconds } from './patience.ts'
import type { Program } from './program.ts'
import { heldStill } from './held-still.ts'
import { Mismatch, type Finding } from './problems.ts'

/** The contract's time to listen. */
const TIME_TO_LISTEN = seconds(10)
/** A program that has done nothing for so long is asked whether it waits for anything. */
const QUIET = seconds(0.7)

/**
 * Waits until so many workers listen on PORT (0: until the one process does). A Mismatch says what it does instead.
 * More workers than expected are for the check to judge.
 */
export async function settle(program: Program, workers: number): Promise<void> {
  let quietSince = patientNow()
  let seen = 0
  let asking = false
  let waitsForNothing = false
  const look = (): 'ready' | 'over' | undefined => {
    if (program.happenings !== seen) {
      seen = program.happenings
      waitsForNothing = false
      quietSince = patientNow()
    }
    if (listeningOnPort(program, workers)) return 'ready'
    // Who has begun and waits for nothing gets no further, so nobody has to wait for that. Any other has its 10 s.
    const began = program.listening.length > 0 || program.eventsOf('server-listening').length > 0
    const onTheWay = program.workers.some((worker) => worker.state === 'forked' || worker.state === 'online')
    if (!began || onTheWay || asking || patientNow() - quietSince < QUIET) return undefined
    if (waitsForNothing) return 'over'
    asking = true
    void program.waitsForNothing().then(
      (answer) => {
        waitsForNothing = answer && seen === program.happenings
        asking = false
        quietSince = waitsForNothing ? quietSince : patientNow()
      },
      () => {},
    )
    return undefined
  }
  const found = await program.until(look, { within: TIME_TO_LISTEN })
  if (found === 'ready') return expectLoopback(program)
  throw new Mismatch({ ...(await finding(program, workers)), repeat: program.command })
}

/** Where a listen is answered on 127.0.0.1, whatever this machine has. */
const ON_LOOPBACK = ['0.0.0.0', '::', '127.0.0.1', '::ffff:127.0.0.1']

/** Whoever listens on PORT may do so on another address than the one that is asked. */
async function expectLoopback(program: Program): Promise<void> {
  const addresses = [...program.eventsOf('listening'), ...program.eventsOf('server-listening')].flatMap(
    ({ port, address }) => (port === program.port && typeof address === 'string' ? [address] : []),
  )
  if (addresses.length === 0 || addresses.some((address) => ON_LOOPBACK.includes(address))) return
  const answer = await program.fetch('/')
  if (answer.ok || answer.code !== 'ECONNREFUSED') return
  throw new Mismatch({
    expected: 'the program listens so that 127.0.0.1 answers on the port that PORT names',
    got: `it listens on ${[...new Set(addresses)].join(' and ')} only`,
    likely: 'listen() is given a host: without one, every address answers',
    read: 'the-contract',
    repeat: program.command,
  })
}

function listeningOnPort(program: Program, workers: number): boolean {
  if (workers > 0)
    return program.listening.filter((worker) => worker.ports.includes(program.port)).length >= workers
  return program.eventsOf('server-listening').some((event) => event.port === program.port)
}

function servesItself(program: Program): boolean {
  const opened = program
    .eventsOf('server-listening')
    .filter(({ pid, serves, port }) => pid === program.pid && serves && port !== program.identity.adminPort)
  const closed = program.events.filter((event) => event.type === 'server-closed' && event.pid === program.pid)
  return opened.length > closed.length
}

/** Where a worker listens that does not listen on PORT, or all processes where none does. */
function portsBeside(program: Program): readonly number[] {
  const astray = program.listening.filter(({ ports }) => !ports.includes(program.port))
  const all = program.eventsOf('server-listening').flatMap((event) => event.port ?? [])
  // Of a Unix socket the primary is told port -1.
  const ports = (astray.length > 0 ? astray.flatMap((worker) => worker.ports) : all).filter(
    (port) => port > 0,
  )
  if (ports.includes(program.port)) return []
  return [...new Set(ports)].filter((port) => port !== program.identity.adminPort)
}

async function finding(program: Program, workers: number): Promise<Omit<Finding, 'repeat'>> {
  const elsewhere = portsBeside(program)
  const paths = program.eventsOf('server-listening').flatMap((event) => event.path ?? [])
  const expected =
    workers === 0
      ? 'the program listens on the port that PORT names, within 10 s'
      : `${workers} ${workers === 1 ? 'worker listens' : 'workers listen'} on the port that PORT names, within 10 s`
  const read = 'the-contract'
  if (elsewhere.length > 0) {
    return {
      expected,
      got: `it listens on port ${elsewhere.join(', ')}; PORT was ${program.port}`,
      likely: 'the port is written into the file, or it is not read from process.env.PORT',
      read,
    }
  }
  if (paths.length > 0 && !program.eventsOf('server-listening').some(({ port }) => port === program.port)) {
    return {
      expected,
      got: `it listens on the Unix socket ${paths[0]}; PORT was ${program.port}`,
      likely: 'listen() is given a path, or PORT is not read as a number',
      read,
    }
  }
  if (workers > 0 && program.workers.length === 0 && servesItself(program)) {
    return {
      expected,
      got: 'no worker was forked: the first process listens and serves by itself',
      likely: 'the primary has to call cluster.fork() for each worker, and only workers listen',
      read,
    }
  }
  const forked = program.workers.length
  const now = program.listening.length
  const held = await heldStill(program)
  if (forked === 0) {
    const started = program.eventsOf('hello').length > 1 ? ', though other processes were started' : ''
    return {
      expected,
      got: told(
        workers === 0 ? 'nothing listens' : `no worker was forked with cluster.fork()${started}`,
        held,
      ),
      likely:
        held?.likely ?? 'the program waits for something else before it begins, or its event loop is blocked',
      read,
    }
  }
  return {
    expected,
    got: told(
      `${forked} ${forked === 1 ? 'worker was' : 'workers were'} forked, and ${now} listened on PORT${closings(program)}`,
      held,
    ),
    likely:
      held !== undefined
        ? held.likely
        : now === forked
          ? 'the number of workers is not the one that the contract names'
          : 'a worker does not reach its listen(): look at what it does before, and at its error output',
    read,
  }
}

/** `, and 2 of their servers were closed again`, where it is so. */
function closings(program: Program): string {
  const closed = program.eventsOf('server-closing').filter(({ pid }) => pid !== program.pid).length
  if (closed === 0) return ''
  return closed === 1 ? ', and one closed its server again' : `, and ${closed} servers were closed again`
}

function told(got: string, held: { readonly got: string } | undefined): string {
  return held === undefined ? got : `${got}: ${held.got}`
}

/**
 * Which checks are run on other Nodes: on each of them one of each lesson, and some that take longer on one of them in
 * turn; chosen by what differs between Nodes. Lesson 2 is graded whole, see nodes.ts.
 */

export interface Sampled {
  readonly lesson: number
  /** The name of the check. */
  readonly check: string
  /** What may be another on another Node. */
  readonly why: string
  /** Long enough to be run on one of the Nodes only. */
  readonly long?: true
}

const sample: readonly Sampled[] = [
  {
    lesson: 1,
    check: 'lag is in milliseconds, since the last call',
    why: 'perf_hooks: the histogram of delays, and utilisation',
  },
  {
    lesson: 3,
    check: 'a taken port ends the program',
    why: 'errors of listen() in workers, which the primary hands on',
  },
  {
    lesson: 4,
    check: 'unknown and malformed messages change nothing',
    why: 'what goes over a channel, and what of it throws',
  },
  {
    lesson: 5,
    check: 'SIGTERM ends everything, whatever is in flight',
    why: 'server.close() with connections in all states',
  },
  {
    lesson: 6,
    check: 'headers pass as they came, and hop-by-hop ones stay behind',
    why: 'http, raw headers',
  },
  {
    lesson: 6,
    check: 'a request whose worker dies is sent once more, or answered 502',
    why: 'errors of a client whose server dies',
    long: true,
  },
  {
    lesson: 7,
    check: 'a reload under load fails no request',
    why: 'disconnect(), which closes servers: 26 resets silent connections',
  },
  {
    lesson: 7,
    check: 'SIGTERM lets requests end, and nothing else',
    why: 'server.close() with idle connections',
    long: true,
  },
  {
    lesson: 8,
    check: 'utilisation is a delta, and memory is that of each worker',
    why: 'what prom-client reads of a process',
  },
  {
    lesson: 9,
    check: 'sessions survive the death of a worker, and a restart',
    why: "lmdb, an addon that one `npm ci` installed for the first Node's ABI",
  },
  {
    lesson: 9,
    check: 'without Redis it is 503, and back to normal when it returns',
    why: 'the client of Redis',
    long: true,
  },
  {
    lesson: 10,
    check: 'the inspector of a worker opens on loopback, for the one who asks',
    why: 'node:inspector, and which process gets SIGUSR1',
  },
]

/** The part of the sample for one of so many Nodes. */
export function sampleFor(index: number, nodes: number): readonly Sampled[] {
  const long = sample.filter((one) => one.long === true)
  return sample.filter((one) => one.long !== true || long.indexOf(one) % nodes === index)
}

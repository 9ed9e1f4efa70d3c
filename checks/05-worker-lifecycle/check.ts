import {
  addressesOf,
  beginOnEach,
  check,
  describeFailures,
  expect,
  giveNextForks,
  holds,
  isLoopback,
  isReachableOffLoopback,
  keepAsking,
  killNextFork,
  lifecycleSeen,
  lifecycleTold,
  mostAlive,
  refusesOddRequests,
  seconds,
  servesPages,
  start,
  untilListed,
  workersListed,
  workersUnderLoad,
  type InFlight,
  type LifecycleEvent,
  type ListedWorker,
  type LostWorker,
  type Program,
  type Worker,
} from '#harness'

check('each event of a worker is told once', async () => {
  await using program = await start()
  await tellsEachEventOnce(program)
  await using mortal = await start({ workers: 2, fresh: true })
  await mortal.exitOneWorker(0)
  await killNextFork(mortal)
  await mortal.killOneWorker(mortal.listening.at(-1))
  // One exit with a code, one by a signal, and one before the worker was online, which has fewer events.
  await mortal.until(() => mortal.eventsOf('exit').length >= 3 || undefined, { within: seconds(5) })
  await tellsEachEventOnce(mortal)
})

async function tellsEachEventOnce(program: Program): Promise<void> {
  // A second line for the same event comes with the first.
  await program.quiet(100)
  const wrong = (): Difference | undefined => untold(program) ?? toldTooOften(program)
  await program.until(() => wrong() === undefined || undefined, { within: seconds(2) })
  const found = wrong()
  if (found !== undefined) holds(false, { ...found, read: 'five-events', repeat: program.command })
}

type Difference = Pick<Parameters<typeof holds>[1], 'expected' | 'got' | 'likely'>

/** What was seen of a worker, but not told. */
function untold(program: Program): Difference | undefined {
  const told = lifecycleTold(program)
  const missing = lifecycleSeen(program).find((seen) => !told.some((line) => isSame(seen, line)))
  if (missing === undefined) return undefined
  const { event, worker } = missing
  const near = told.find(
    (line) => line.event === event && (line.worker === worker || line.pid === missing.pid),
  )
  return {
    expected: `a line ${JSON.stringify(missing)} on stdout`,
    got:
      near === undefined
        ? `no line tells of this ${event}`
        : `${JSON.stringify(near)}, which differs from it`,
    likely:
      near === undefined
        ? likelyUntold(program, event)
        : 'worker is the cluster.worker id and pid the id of its process, both numbers; code and signal are as the exit event hands them over',
  }
}

function likelyUntold(program: Program, event: LifecycleEvent['event']): string {
  if (program.lines('stderr').some((line) => line.includes(`"event":"${event}"`)))
    return 'console.error writes to stderr, console.log to stdout'
  if (event === 'fork') return "no listener for 'fork' on cluster: a worker itself has no such event"
  return `no listener for '${event}' on cluster, or only on some of the workers`
}

/** What was told though it was not seen, or more often than it was seen. */
function toldTooOften(program: Program): Difference | undefined {
  const seen = lifecycleSeen(program)
  const told = lifecycleTold(program)
  const excess = told.find((line) => count(told, line) > count(seen, line))
  if (excess === undefined) return undefined
  const due = count(seen, excess)
  return {
    expected:
      due === 0 ? `no line tells of a ${excess.event} that Node did not emit` : `one line for each event`,
    got: `${count(told, excess)} × ${JSON.stringify(excess)}`,
    likely:
      due === 0
        ? 'the line is printed beside the event, and not by its listener: a worker that is killed while it starts is never online'
        : 'two listeners print, one on cluster and one on the worker, or a listener was added once for each worker',
  }
}

/** Of a worker that listens on two addresses, one line may stand for both. */
function count(events: readonly LifecycleEvent[], like: LifecycleEvent): number {
  return events.filter((event) => isSame(event, like)).length
}

function isSame(one: LifecycleEvent, other: LifecycleEvent): boolean {
  return (
    one.event === other.event &&
    one.worker === other.worker &&
    one.pid === other.pid &&
    (one.code ?? null) === (other.code ?? null) &&
    (one.signal ?? null) === (other.signal ?? null)
  )
}

check('the admin interface lists the workers that live', async () => {
  const read = 'the-states-of-a-worker'
  await using program = await start({ workers: 2, holdListen: 2, fresh: true, unready: true })
  holds((await program.heldWorker()) !== undefined, {
    expected: 'two workers, each of which comes to its listen()',
    got: `${program.workers.length} forked, and the second does not come to its listen()`,
    read,
    repeat: program.command,
  })
  const isOnline = (): true | undefined =>
    program.workers.some(({ id, state }) => id === 2 && state === 'online') || undefined
  await program.until(isOnline, { within: seconds(5) })
  await opensAdmin(program)
  await lists(program, (list) => stateOf(list, 2) === 'starting' && stateOf(list, 1) === 'listening', {
    expected: 'worker 1 listening, and worker 2 starting, as its listen() is not done yet',
    likely: "'online' says that Node runs in the worker; that it listens is what 'listening' says",
    read,
  })
  await program.releaseListen()
  await lists(program, (list) => stateOf(list, 2) === 'listening', {
    expected: 'worker 2 listening, once its listen() is done',
    likely: "the state does not follow the 'listening' event",
    read,
  })
  await listsWhatWasForked(program, read)
  await isOnLoopbackOnly(program)
  const killed = await program.killOneWorker()
  await lists(program, (list) => list.every(({ pid }) => pid !== killed.pid), {
    expected: 'a worker that was killed is listed no more',
    likely: "nothing takes it out at 'exit'",
    read,
  })
})

/** It may open a moment after the workers. */
async function opensAdmin(program: Program): Promise<void> {
  const opened = await program.eventually(
    async () => ((await program.admin('/workers')).ok ? true : undefined),
    {
      within: seconds(10),
    },
  )
  holds(opened === true, {
    expected: 'the primary answers on 127.0.0.1 and the port that ADMIN_PORT names, also while workers start',
    got: 'nobody answers there',
    likely: 'it is opened only when all workers listen, or on another port',
    read: 'the-contract',
    repeat: program.commandWith('/workers', 'GET', '9000'),
  })
}

async function listsWhatWasForked(program: Program, read: string): Promise<void> {
  const list = await workersListed(program, read)
  const repeat = program.commandWith('/workers', 'GET', '9000')
  for (const { id, pid, forkedAt } of program.workers) {
    const listed = list.find((worker) => worker.id === id)
    holds(listed?.pid === pid, {
      expected: `worker ${id} is listed with its process id ${pid}`,
      got: describeList(list),
      likely: 'id is the cluster.worker id, pid the id of its process',
      read,
      repeat,
    })
    // A date may be written in whole seconds, and be that of the fork, of online or of listening.
    const late = Date.parse(listed.startedAt) - forkedAt
    holds(late > -2_000 && Date.parse(listed.startedAt) < Date.now() + 2_000, {
      expected: `startedAt is when worker ${id} was started: ${new Date(forkedAt).toISOString()}`,
      got: listed.startedAt,
      read,
      repeat,
    })
  }
  const again = await workersListed(program, read)
  holds(
    again.every(({ id, startedAt }) => list.every((one) => one.id !== id || one.startedAt === startedAt)),
    { expected: 'startedAt stays as it is', got: 'it differs between two requests', read, repeat },
  )
}

async function isOnLoopbackOnly(program: Program): Promise<void> {
  const port = program.identity.adminPort
  const open = addressesOf(program, port).filter((address) => !isLoopback(address))
  const reached = open.length > 0 || (await isReachableOffLoopback(port)) === true
  holds(!reached, {
    expected: 'the admin interface answers on 127.0.0.1 only',
    got:
      open.length > 0
        ? `it listens on ${open.join(', ')}`
        : 'another address of this machine is answered too',
    likely:
      'listen(port) without a host listens on every address: whoever reaches this machine may retire its workers',
    read: 'the-admin-interface',
    repeat: program.command,
  })
}

check('a worker that dies is replaced once', async () => {
  await using program = await start({ workers: 2, fresh: true })
  const read = 'wanted-against-alive'
  const killed = await program.killOneWorker()
  await expect(program).toReplace(killed, { within: seconds(2), read })
  const gone = await program.exitOneWorker(0, program.listening.at(-1))
  await expect(program).toReplace(gone, {
    within: seconds(2),
    expected: 'a worker that ends with exit code 0, unasked, is replaced too, within 2 s',
    likely:
      'exit code 0 is taken for an end on purpose; whether it was is known only to whoever gave the order',
    read,
  })
  // Two at once: none is forgotten, and none is replaced for both.
  const [first, second] = program.listening
  await Promise.all([program.killOneWorker(first), program.killOneWorker(second)])
  await reaches(program, 2, {
    within: seconds(5),
    read,
    because: 'both of its two workers are killed at once',
  })
})

check('a retired worker finishes what it has begun', async () => {
  await using program = await start({ workers: 2, fresh: true })
  const read = 'retire-a-worker'
  await opensAdmin(program)
  const [retired] = program.listening as [Worker, ...Worker[]]
  using slow = await beginOnEach(program, [retired], '/slow?ms=1200', { read, keepAlive: true })
  const since = lastEvent(program)
  await order(program, 'POST', `/workers/${retired.id}/retire`, 202, read)
  await order(program, 'POST', `/workers/${retired.id}/retire`, 202, read)
  await order(program, 'POST', '/workers/9999/retire', 404, read)
  await finishes(program, slow, [retired], read)
  await leaves(program, [retired], read)
  await reaches(program, 2, { within: seconds(10), read, because: 'one of its two workers was retired' })
  const forked = program.workers.filter(({ forkedSeq }) => forkedSeq > since).length
  holds(forked === 1, {
    expected: 'exactly one fresh worker for one that is retired, however often it was asked for',
    got: `${forked} forked`,
    likely: 'the order forks, and so does the exit that comes of it; or each repeat of the order forks again',
    read,
    repeat: program.command,
  })
})

check('retiring all at once never stops the service', async () => {
  await using program = await start({ workers: 2, fresh: true })
  const read = 'service-never-stops'
  await opensAdmin(program)
  const retired = program.listening
  using slow = await beginOnEach(program, retired, '/slow?ms=1000', { read })
  const since = lastEvent(program)
  const clients = keepAsking(program.port, '/', { clients: 3, pauseMs: 5 })
  try {
    await Promise.all(retired.map(({ id }) => order(program, 'POST', `/workers/${id}/retire`, 202, read)))
    await finishes(program, slow, retired, read)
    await leaves(program, retired, read)
    await reaches(program, 2, { within: seconds(10), read, because: 'both of its two workers were retired' })
  } finally {
    await clients.stop()
  }
  holds(
    clients.results.every((result) => result.ok && result.status === 200),
    {
      expected: 'every request is answered while both workers are retired',
      got: `of ${clients.results.length} requests to /: ${describeFailures(clients.results)}`,
      likely:
        'for a while no worker listens: the last one that does may drain only when another listens in its place',
      read,
      repeat: program.command,
    },
  )
  neverMoreThan(program, 3, { since, read, because: 'two workers are wanted, and both were retired' })
})

check('PUT /scale sets the number that is wanted from then on', async () => {
  await using program = await start({ workers: 2, fresh: true })
  const read = 'scale-up-and-down'
  await opensAdmin(program)
  const since = lastEvent(program)
  for (const body of [
    '{"workers":0}',
    '{"workers":17}',
    '{"workers":1.5}',
    '{"workers":"3"}',
    '{}',
    'null',
    '{"workers":',
    '',
  ]) {
    await order(program, 'PUT', '/scale', 400, read, body)
  }
  const clients = keepAsking(program.port, '/', { clients: 3, pauseMs: 5 })
  try {
    await order(program, 'PUT', '/scale', 202, read, '{"workers":4}')
    await reaches(program, 4, { within: seconds(10), read, because: 'four are wanted' })
    await order(program, 'PUT', '/scale', 202, read, '{"workers":2}')
    await reaches(program, 2, { within: seconds(10), read, because: 'two are wanted, of four' })
  } finally {
    await clients.stop()
  }
  holds(
    clients.results.every((result) => result.ok && result.status === 200),
    {
      expected: 'every request is answered while the cluster grows and shrinks',
      got: `of ${clients.results.length} requests to /: ${describeFailures(clients.results)}`,
      likely: 'those that are too many are killed, and the requests that they have begun with them',
      read,
      repeat: program.command,
    },
  )
  neverMoreThan(program, 5, { since, read, because: 'it went from two to four and back' })
  await order(program, 'PUT', '/scale', 202, read, '{"workers":3}')
  await reaches(program, 3, { within: seconds(10), read, because: 'three are wanted' })
  await program.killOneWorker()
  await reaches(program, 3, { within: seconds(5), read, because: 'three are wanted, and one was killed' })
})

check('orders that meet each other come out right', async () => {
  await using program = await start({ workers: 3, fresh: true })
  const read = 'orders-that-meet'
  await opensAdmin(program)
  const first = program.listening
  using slow = await beginOnEach(program, first, '/slow?ms=2500', { read })
  const since = lastEvent(program)
  await order(program, 'PUT', '/scale', 202, read, '{"workers":1}')
  await order(program, 'PUT', '/scale', 202, read, '{"workers":3}')
  await finishes(program, slow, first, read)
  await reaches(program, 3, {
    within: seconds(10),
    read,
    because: 'three were wanted, then one, and at once three again',
  })
  neverMoreThan(program, 4, { since, read, because: 'three were wanted, then one, and at once three again' })
  const [retired, killed] = program.listening as [Worker, Worker, ...Worker[]]
  const later = lastEvent(program)
  await order(program, 'POST', `/workers/${retired.id}/retire`, 202, read)
  const lost = await program.killOneWorker(killed)
  await order(program, 'PUT', '/scale', 202, read, '{"workers":2}')
  const because = 'of three workers one was retired and one killed, and two are wanted from then on'
  await leaves(program, [retired], read)
  await reaches(program, 2, { within: seconds(10), read, because })
  neverMoreThan(program, 4, { since: later, read, because, killed: [lost] })
})

check('every page is rendered for its visitor', async () => {
  await using program = await start()
  await servesPages(program, 'one-page-one-render')
})

check('unknown paths and wrong methods are refused, and nothing ends', async () => {
  await using program = await start()
  await refusesOddRequests(program, ['/', '/render', '/slow'], 'refuse-what-you-do-not-serve')
})

check('the workers share the load', async () => {
  await using program = await start({ workers: workersUnderLoad(), fresh: true })
  for (let kills = 0; kills < 3; kills += 1) {
    const lost = await program.killOneWorker()
    await expect(program).toReplace(lost, { within: seconds(5), read: 'wanted-against-alive' })
  }
  await expect(program).toGetShare(0.6, { read: 'sharing-the-load' })
})

check('SIGTERM ends everything, whatever is in flight', async () => {
  await Promise.all([endsAtRest(), endsInTheMiddle()])
})

/** Nobody is resurrected. */
async function endsAtRest(): Promise<void> {
  await using program = await start({ workers: 2, fresh: true })
  const before = program.workers.length
  await endsInTime(program)
  const forked = program.workers.length - before
  holds(forked === 0, {
    expected: 'nobody is forked after SIGTERM',
    got: `${forked} forked`,
    likely: 'each worker that ends looks like one that has to be replaced',
    read: 'the-end-of-everything',
    repeat: program.command,
  })
}

/** A worker drains a request that never ends, another has one in flight, and a third is starting. */
async function endsInTheMiddle(): Promise<void> {
  const read = 'the-end-of-everything'
  await using program = await start({ workers: 2, fresh: true })
  await opensAdmin(program)
  using _slow = await beginOnEach(program, program.listening, '/slow?ms=600000', { read })
  const [retired] = program.listening as [Worker, ...Worker[]]
  await order(program, 'POST', `/workers/${retired.id}/retire`, 202, read)
  await lists(program, (list) => stateOf(list, retired.id) === 'draining', {
    expected: `worker ${retired.id} is listed as draining: it was retired, and still has a request in flight`,
    likely: 'cluster.workers loses a worker as soon as it is disconnected, though it still drains',
    read: 'the-states-of-a-worker',
  })
  await giveNextForks(program, { holdListen: true })
  await order(program, 'PUT', '/scale', 202, read, '{"workers":3}')
  await program.until(() => program.eventsOf('listen-held')[0], { within: seconds(5) })
  await endsInTime(program)
}

async function endsInTime(program: Program): Promise<void> {
  const read = 'the-end-of-everything'
  await program.signal('SIGTERM')
  await expect(program).toEnd({
    within: seconds(5),
    read,
    likely: 'it waits for requests in flight, some of which never end, or for a worker that it does not kill',
  })
  await expect(program).toLeaveNoProcess({
    within: seconds(2),
    read,
    likely:
      'a worker that was disconnected on purpose does not end with its primary, and cluster.workers does not hold it',
  })
}

const lastEvent = (program: Program): number => program.events.at(-1)?.seq ?? 0

const stateOf = (list: readonly ListedWorker[], id: number) => list.find((worker) => worker.id === id)?.state

/** `2 draining, 3 listening` */
function describeList(list: readonly ListedWorker[]): string {
  return list.map(({ id, state }) => `worker ${id} ${state}`).join(', ') || 'an empty list'
}

/** An order to the admin interface. */
async function order(
  program: Program,
  method: string,
  path: string,
  status: number,
  read: string,
  body?: string,
) {
  const what = `${method} ${path}${body === undefined ? '' : ` with ${body === '' ? 'an empty body' : body}`}`
  await program.get(path, {
    admin: true,
    method,
    status,
    read,
    expected: `${what} is answered with ${status}`,
    repeat: program.commandWith(path, `${method}${body === undefined ? '' : ` -d '${body}'`}`, '9000'),
    ...(body !== undefined && { body, headers: { 'content-type': 'application/json' } }),
  })
}

/** Asks until the list is so. */
async function lists(
  program: Program,
  isSo: (list: readonly ListedWorker[]) => boolean,
  { within = seconds(10), ...advice }: { within?: number; expected: string; likely: string; read: string },
): Promise<void> {
  const { so, last } = await untilListed(program, isSo, { within, read: advice.read })
  holds(so, { got: describeList(last), repeat: program.commandWith('/workers', 'GET', '9000'), ...advice })
}

/** The requests that these workers have begun are answered, by them. */
async function finishes(
  program: Program,
  inFlight: InFlight,
  workers: readonly Worker[],
  read: string,
): Promise<void> {
  await Promise.all(
    workers.map(async (worker) => {
      const request = inFlight.of(worker)
      await request.untilOver(seconds(20))
      holds(request.over && request.head?.status === 200, {
        expected: `worker ${worker.id} answers the request that it had begun when it was told to go`,
        got:
          request.failure === undefined ? 'no answer in time' : `the connection was cut (${request.failure})`,
        likely:
          'worker.kill(), a signal and process.exit() cut what is in flight; worker.disconnect() lets it end',
        read,
        repeat: program.command,
      })
    }),
  )
}

async function leaves(program: Program, workers: readonly Worker[], read: string): Promise<void> {
  const left = (): readonly Worker[] =>
    program.workers.filter(({ id, state }) => state !== 'gone' && workers.some((one) => one.id === id))
  await program.until(() => left().length === 0 || undefined, { within: seconds(15) })
  const [one] = left()
  holds(one === undefined, {
    expected: 'a retired worker ends within 10 s of its last request',
    got: `worker ${one?.id} lives on`,
    likely:
      'the order is answered and forgotten, or something keeps the worker alive: a timer, or a connection that is never closed',
    read,
    repeat: program.command,
  })
}

/** So many workers listen, nobody else lives, and it stays so; the list says the same. */
async function reaches(
  program: Program,
  workers: number,
  { within, read, because }: { within: number; read: string; because: string },
): Promise<void> {
  const alive = (): readonly Worker[] => program.workers.filter(({ state }) => state !== 'gone')
  const isReached = (): boolean =>
    alive().length === workers && alive().every(({ state }) => state === 'listening')
  await program.until(() => isReached() || undefined, { within })
  await program.quiet(200)
  const advice = {
    expected: `${workers} ${workers === 1 ? 'worker' : 'workers'}, all of which listen, and it stays so: ${because}`,
    read,
    repeat: program.command,
  }
  holds(isReached(), {
    ...advice,
    got: describeWorkers(alive()),
    likely:
      alive().length > workers
        ? 'more is forked than is missing: two listeners fork for the same worker, or nobody counts those that are starting'
        : 'a worker that is missing is taken for one that went on purpose, or the number that is wanted is not the one that was asked for last',
  })
  await lists(
    program,
    (list) => list.length === workers && list.every(({ state }) => state === 'listening'),
    { within: seconds(2), ...advice, likely: 'the list is not that of the workers that live' },
  )
}

function describeWorkers(workers: readonly Worker[]): string {
  return (
    workers
      .map(({ id, state }) => `worker ${id} ${state === 'listening' ? state : `only ${state}`}`)
      .join(', ') || 'none lives'
  )
}

function neverMoreThan(
  program: Program,
  limit: number,
  {
    because,
    read,
    ...since
  }: { since: number; read: string; because: string; killed?: readonly LostWorker[] },
): void {
  const most = mostAlive(program, since)
  holds(most <= limit, {
    expected: `never more than ${limit} workers alive, the draining counted: ${because}`,
    got: `${most} at once`,
    likely: 'fresh workers are forked without a look at how many still drain',
    read,
    repeat: program.command,
  })
}

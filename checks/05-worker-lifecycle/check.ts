import {
  beginOnEach,
  check,
  cores,
  describeFailures,
  expect,
  forksNobodyAfter,
  giveNextForks,
  giveOrder,
  holds,
  inOrder,
  keepAsking,
  keepsAdminToLoopback,
  killNextFork,
  leave,
  lifecycleDifference,
  lists,
  neverMoreThan,
  opensAdmin,
  reaches,
  refusesOddRequests,
  seconds,
  servesPages,
  sideBySide,
  start,
  tellsReadyOnce,
  withoutCutByNode,
  workersListed,
  workersUnderLoad,
  type Asking,
  type ListedWorker,
  type LostWorker,
  type Program,
  type Worker,
} from '#harness'

check('each event of a worker is told once', async () => {
  await using program = await start()
  await tellsEachEventOnce(program)
  await using mortal = await start({ workers: 2, fresh: true })
  // One ends with a code, one by a signal, and one before it is online: that one has fewer events.
  await mortal.exitOneWorker(0)
  await killNextFork(mortal)
  await mortal.killOneWorker(mortal.listening.at(-1))
  await mortal.until(() => mortal.eventsOf('exit').length >= 3 || undefined, { within: seconds(5) })
  await tellsEachEventOnce(mortal)
})

async function tellsEachEventOnce(program: Program): Promise<void> {
  // A second line for the same event comes with the first.
  await program.quiet(100)
  await program.until(() => lifecycleDifference(program) === undefined || undefined, { within: seconds(2) })
  const difference = lifecycleDifference(program)
  if (difference === undefined) return
  holds(false, { ...difference, read: 'five-events', repeat: program.command })
}

check('the admin interface lists the workers that live', async () => {
  const read = 'the-states-of-a-worker'
  await using program = await start({ workers: 2, holdListen: 2, fresh: true, unready: true })
  holds((await program.heldWorker()) !== undefined, {
    expected: 'two workers, each of which comes to its listen()',
    got: `${program.workers.length} forked, and the second does not come to its listen()`,
    likely: 'a worker is forked only when the one before it listens, or too few are forked',
    read,
    repeat: program.command,
  })
  await opensAdmin(program, 'the-admin-interface')
  await lists(program, (list) => stateOf(list, 1) === 'listening' && stateOf(list, 2) === 'starting', {
    expected: 'worker 1 is listening, and worker 2 starting: its listen() is not done yet',
    likely: "'online' says that Node runs in the worker; that it listens is what 'listening' says",
    read,
  })
  await program.releaseListen()
  await lists(program, (list) => stateOf(list, 2) === 'listening', {
    expected: 'worker 2 is listening, once its listen() is done',
    likely: "the state does not follow the 'listening' event",
    read,
  })
  const list = await workersListed(program, read)
  for (const worker of program.workers) describesWell(program, worker, list)
  await keepsAdminToLoopback(program, 'the-admin-interface')
  const again = await workersListed(program, read)
  holds(
    list.every(({ id, startedAt }) => again.find((one) => one.id === id)?.startedAt === startedAt),
    {
      expected: 'startedAt stays as it is',
      got: 'it differs between two requests',
      read,
      repeat: program.command,
    },
  )
  const killed = await program.killOneWorker()
  await lists(program, (list) => list.every(({ pid }) => pid !== killed.pid), {
    expected: `worker ${killed.id}, which was killed, is listed no more`,
    likely: "nothing takes it out at 'exit'",
    read,
  })
})

function describesWell(program: Program, { id, pid, forkedAt }: Worker, list: readonly ListedWorker[]): void {
  const advice = { read: 'the-states-of-a-worker', repeat: program.commandWith('/workers', 'GET', '9000') }
  const listed = list.find((worker) => worker.id === id)
  holds(listed?.pid === pid, {
    ...advice,
    expected: `worker ${id} is listed, with its process id ${pid}`,
    got: JSON.stringify(list).slice(0, 200),
    likely: 'id is the id of the worker, and pid that of its process',
  })
  // A date may be in whole seconds, and that of the fork, of online or of listening.
  const startedAt = Date.parse(listed.startedAt)
  holds(startedAt > forkedAt - 2_000 && startedAt < Date.now() + 2_000, {
    ...advice,
    expected: `startedAt is when worker ${id} was started, which was at ${new Date(forkedAt).toISOString()}`,
    got: listed.startedAt,
  })
}

const stateOf = (list: readonly ListedWorker[], id: number) => list.find((worker) => worker.id === id)?.state

check('a worker that dies is replaced once', async () => {
  await using program = await start({ workers: 3, fresh: true })
  const read = 'wanted-against-alive'
  const killed = await program.killOneWorker()
  await expect(program).toReplace(killed, { within: seconds(2), read })
  const gone = await program.exitOneWorker(0, program.listening.at(-1))
  await expect(program).toReplace(gone, {
    within: seconds(2),
    expected: 'a worker that ends unasked with exit code 0 is replaced too, within 2 s',
    likely: 'exit code 0 is taken for an end on purpose: only whoever gave the order knows whether it was',
    read,
  })
  const all = program.listening
  const before = program.workers.length
  await Promise.all(all.map((worker) => program.killOneWorker(worker)))
  const because = 'all three workers are killed at once'
  // Who is forked later cannot listen in time.
  const forked = (): number => program.workers.length - before
  const inTime = await program.until(() => forked() >= all.length || undefined, { within: seconds(2) })
  holds(inTime === true, {
    expected: `three fresh workers, each within 2 s: ${because}`,
    got: `${forked()} ${forked() === 1 ? 'was' : 'were'} forked in that time`,
    likely: 'several deaths at once are taken for a loop of crashes, though these workers had listened',
    read,
    repeat: program.command,
  })
  await reaches(program, 3, { without: all, because, read })
})

const stories = sideBySide({
  retiresOne,
  retiresAll,
  scales,
  mixes: () => inOrder([mixes(), meetsThoseWhoStart(), keepsTheRetiredUntilThen()]),
})

check('ready is printed once, when all listen for the first time', async () => {
  // WORKERS is unset: as many as there are cores.
  await using program = await start()
  await tellsReadyOnce(program, cores(), 'the-contract')
  await using mortal = await start({ workers: 2, fresh: true })
  const lost = await mortal.killOneWorker()
  await expect(mortal).toReplace(lost, { within: seconds(5), read: 'wanted-against-alive' })
  await mortal.quiet(150)
  await tellsReadyOnce(mortal, 2, 'the-contract')
})

check('a retired worker finishes what it has begun', stories.retiresOne)
check('retiring all at once never stops the service', stories.retiresAll)
check('PUT /scale sets the number that is wanted from then on', stories.scales)
check('orders that meet come out right', stories.mixes)

async function retiresOne(): Promise<void> {
  await using program = await start({ workers: 2, fresh: true })
  const read = 'retire-a-worker'
  const because = 'one of two workers is retired'
  await opensAdmin(program, 'the-admin-interface')
  const [retired] = program.listening as [Worker, ...Worker[]]
  // Two at the same time: the first that is answered is not the last.
  const [long, short] = await Promise.all([
    beginOnEach(program, [retired], '/slow?ms=2500', { read, keepAlive: true }),
    beginOnEach(program, [retired], '/slow?ms=1000', { read }),
  ])
  using slow = long
  using shorter = short
  const before = program.workers.length
  await giveOrder(program, `POST /workers/${retired.id}/retire`, { read })
  await giveOrder(program, `POST /workers/${retired.id}/retire`, { read })
  await giveOrder(program, 'POST /workers/9999/retire', { status: 404, read })
  await shorter.areAnswered(program, [retired], { because, read })
  await slow.areAnswered(program, [retired], { because, read })
  await leave(program, [retired], { because, read })
  await reaches(program, 2, { without: [retired], because, read })
  const forked = program.workers.length - before
  holds(forked === 1, {
    expected: 'exactly one fresh worker for one that is retired, however often that was asked for',
    got: `${forked} were forked`,
    likely: 'the order forks, and so does the exit that comes of it; or each repeat of the order forks',
    read,
    repeat: program.command,
  })
  const [other] = program.listening as [Worker, ...Worker[]]
  using _endless = await beginOnEach(program, [other], '/slow?ms=600000', { read })
  const startOf = (list: readonly ListedWorker[]): string | undefined =>
    list.find(({ id }) => id === other.id)?.startedAt
  const startedAt = startOf(await workersListed(program, read))
  await giveOrder(program, `POST /workers/${other.id}/retire`, { read })
  await isListedAsDraining(program, other)
  // Unless it has gone by now.
  const stillAt = startOf(await workersListed(program, read)) ?? startedAt
  holds(stillAt === startedAt, {
    expected: `startedAt of worker ${other.id} stays as it is, also while it drains: ${startedAt}`,
    got: stillAt ?? '',
    read: 'the-admin-interface',
    repeat: program.command,
  })
  await takesNoMore(program, other)
}

/** Of some requests in a row it gets none any more, for as long as it drains. */
async function takesNoMore(program: Program, { id, pid }: Worker): Promise<void> {
  const none = await program.eventually(
    async () => {
      const isGone = program.workers.some((worker) => worker.pid === pid && worker.state === 'gone')
      if (isGone) return true
      const answers = await Promise.all(Array.from({ length: 12 }, () => program.fetch('/')))
      return answers.every((answer) => !answer.ok || answer.servedBy?.pid !== pid) || undefined
    },
    { within: seconds(2) },
  )
  holds(none === true, {
    expected: `worker ${id} takes no new connections, as it was retired and drains`,
    got: 'it goes on answering requests over fresh connections',
    likely: 'it is disconnected when it has nothing to do, and until then it is handed connections as ever',
    read: 'retire-a-worker',
    repeat: program.command,
  })
}

/** It was retired, and has a request in flight that does not end. */
function isListedAsDraining(program: Program, { id }: Worker): Promise<void> {
  return lists(program, (list) => stateOf(list, id) === 'draining', {
    within: seconds(10),
    expected: `worker ${id} is listed as draining: it was retired, and has a request in flight`,
    likely: 'cluster.workers loses a worker as soon as it is disconnected, though it still drains',
    read: 'the-states-of-a-worker',
  })
}

async function retiresAll(): Promise<void> {
  await using program = await start({ workers: 2, fresh: true })
  const read = 'the-service-never-stops'
  const because = 'both of two workers are retired at once'
  await opensAdmin(program, 'the-admin-interface')
  const retired = program.listening
  using slow = await beginOnEach(program, retired, '/slow?ms=1000', { read })
  const since = program.lastSeq
  const clients = someClients(program)
  try {
    await Promise.all(retired.map(({ id }) => giveOrder(program, `POST /workers/${id}/retire`, { read })))
    await slow.areAnswered(program, retired, { because, read })
    // Two orders, one after the other, and each has 10 s for the old worker and 10 s for the fresh one.
    await leave(program, retired, { within: seconds(30), because, read })
    await reaches(program, 2, { without: retired, because, read })
  } finally {
    await clients.stop()
  }
  noneFailed(program, clients, {
    because,
    likely:
      'for a while nobody listens: the last one that does may go only when another listens in its place',
    read,
  })
  neverMoreThan(program, 3, { since, because, read: 'one-more-than-wanted' })
  await retiresTheOnlyOne(program)
}

async function retiresTheOnlyOne(program: Program): Promise<void> {
  const read = 'the-service-never-stops'
  const because = 'one worker is wanted, and that one is retired'
  await giveOrder(program, 'PUT /scale', { body: '{"workers":1}', read })
  await reaches(program, 1, { within: seconds(20), because: 'of two workers one is wanted', read })
  const retired = program.listening
  const since = program.lastSeq
  const clients = someClients(program)
  try {
    for (const { id } of retired) await giveOrder(program, `POST /workers/${id}/retire`, { read })
    await leave(program, retired, { within: seconds(20), because, read })
    await reaches(program, 1, { without: retired, because, read })
  } finally {
    await clients.stop()
  }
  noneFailed(program, clients, {
    because,
    likely: 'it goes before another one listens: nobody else could serve meanwhile',
    read,
  })
  neverMoreThan(program, 2, { since, because, read: 'one-more-than-wanted' })
  await changesItsMind(program)
}

/** The only one that listens stays, while those that are too many still start. */
async function changesItsMind(program: Program): Promise<void> {
  const read = 'the-service-never-stops'
  const because = 'one worker listens, four are wanted, and at once only one again'
  const since = program.lastSeq
  const clients = someClients(program)
  try {
    await giveOrder(program, 'PUT /scale', { body: '{"workers":4}', read })
    await giveOrder(program, 'PUT /scale', { body: '{"workers":1}', read })
    await reaches(program, 1, { within: seconds(20), because, read })
  } finally {
    await clients.stop()
  }
  noneFailed(program, clients, {
    because,
    likely: 'the one that listens is told to go, and the one that stays still starts',
    read,
  })
  neverMoreThan(program, 5, { since, because, read: 'one-more-than-wanted' })
}

async function scales(): Promise<void> {
  await using program = await start({ workers: 2, fresh: true })
  const read = 'scale-up-and-down'
  await opensAdmin(program, 'the-admin-interface')
  const since = program.lastSeq
  for (const body of nonsense) await giveOrder(program, 'PUT /scale', { status: 400, body, read })
  const lost = await program.killOneWorker()
  const afterNonsense = 'two are wanted whatever was refused, and one is killed'
  await reaches(program, 2, { without: [lost], because: afterNonsense, read })
  const clients = someClients(program)
  try {
    await giveOrder(program, 'PUT /scale', { body: '{"workers":4}', read })
    await reaches(program, 4, { because: 'there are two, and four are wanted', read })
    const because = 'there are four workers, and three are wanted'
    const four = program.listening
    using slow = await beginOnEach(program, four, '/slow?ms=1000', { read })
    await giveOrder(program, 'PUT /scale', { body: '{"workers":3}', read })
    await slow.areAnswered(program, four, { because, read })
    await reaches(program, 3, { because, read })
  } finally {
    await clients.stop()
  }
  noneFailed(program, clients, {
    because: 'the cluster grows and shrinks',
    likely: 'those that are too many are killed, and what they have begun with them',
    read,
  })
  neverMoreThan(program, 5, {
    since,
    because: 'from two workers to four, and to three',
    read: 'one-more-than-wanted',
  })
  const killed = await program.killOneWorker()
  await reaches(program, 3, { without: [killed], because: 'three are wanted, and one is killed', read })
  await retiresTwoOfFewer(program)
}

/** The number that counts is the one of now, and not the greatest that ever was. */
async function retiresTwoOfFewer(program: Program): Promise<void> {
  const read = 'one-more-than-wanted'
  const because = 'three workers are wanted, where it was four before, and two are retired at once'
  const since = program.lastSeq
  const [first, second] = program.atLeast(2)
  const retired = [first, second]
  await Promise.all(retired.map(({ id }) => giveOrder(program, `POST /workers/${id}/retire`, { read })))
  await leave(program, retired, { within: seconds(30), because, read })
  await reaches(program, 3, { without: retired, because, read })
  neverMoreThan(program, 4, { since, because, read })
}

const nonsense = [
  '{"workers":0}',
  '{"workers":17}',
  '{"workers":1.5}',
  '{"workers":"3"}',
  '{}',
  'null',
  '{"workers":',
  '',
]

async function mixes(): Promise<void> {
  await using program = await start({ workers: 3, fresh: true })
  const read = 'one-more-than-wanted'
  await opensAdmin(program, 'the-admin-interface')
  const first = program.listening
  using slow = await beginOnEach(program, first, '/slow?ms=2500', { read })
  let since = program.lastSeq
  let because = 'three workers have requests in flight; one is wanted, and at once three again'
  await giveOrder(program, 'PUT /scale', { body: '{"workers":1}', read })
  await giveOrder(program, 'PUT /scale', { body: '{"workers":3}', read })
  await slow.areAnswered(program, first, { because, read })
  // 10 s until those that have to go have gone, and 10 s more.
  await reaches(program, 3, { within: seconds(20), because, read })
  neverMoreThan(program, 4, { since, because, read })

  since = program.lastSeq
  because = 'of three workers one is retired and one killed, and from then on two are wanted'
  const [retired, victim] = program.listening as [Worker, Worker, ...Worker[]]
  await giveOrder(program, `POST /workers/${retired.id}/retire`, { read })
  const killed = await program.killOneWorker(victim)
  await giveOrder(program, 'PUT /scale', { body: '{"workers":2}', read })
  await leave(program, [retired], { because, read })
  // The second order may wait for the fresh worker of the first, and then tell one to go that is too many.
  await reaches(program, 2, { within: seconds(20), without: [retired, killed], because, read })
  neverMoreThan(program, 4, { since, killed: [killed], because, read })

  since = program.lastSeq
  because = 'of two workers one is retired, and killed at once'
  const [doomed] = program.atLeast(1)
  await giveOrder(program, `POST /workers/${doomed.id}/retire`, { read })
  const dead = await program.killOneWorker(doomed)
  await reaches(program, 2, { without: [dead], because, read })
  neverMoreThan(program, 3, { since, killed: [dead], because, read })
}

/** Orders and deaths while a worker starts, which may never come so far. */
async function meetsThoseWhoStart(): Promise<void> {
  await using program = await start({ workers: 2, fresh: true })
  const read = 'one-more-than-wanted'
  await opensAdmin(program, 'the-admin-interface')
  const since = program.lastSeq
  // The program may hear of their deaths from the end of the channel, before that of the process.
  const killed: LostWorker[] = []

  let because = 'a worker is retired that has not come to its listen() yet'
  await giveNextForks(program, { holdListen: true })
  killed.push(await program.killOneWorker())
  const { pid } = (await program.heldWorker()) ?? {}
  const held = program.workers.find((worker) => worker.pid === pid)
  await giveNextForks(program, {})
  if (held !== undefined) {
    await giveOrder(program, `POST /workers/${held.id}/retire`, { read })
    await program.quiet(500)
    await program.releaseListen()
    await leave(program, [held], { within: seconds(20), because, read })
    await reaches(program, 2, { without: [held], because, read })
  }

  because = 'a replacement dies before it is online, and just then somebody orders as many as there were'
  const forked = program.workers.length
  await killNextFork(program)
  killed.push(await program.killOneWorker())
  await program.until(() => program.workers[forked]?.state === 'gone' || undefined, { within: seconds(5) })
  await giveOrder(program, 'PUT /scale', { body: '{"workers":2}', read })
  await reaches(program, 2, { within: seconds(20), because, read })
  const unborn = program.workers[forked]
  if (unborn !== undefined) killed.push({ ...unborn, lostAfter: unborn.forkedSeq })
  neverMoreThan(program, 3, { since, killed, because: 'never more than two were wanted', read })
}

/** All wait for their replacements, which do not listen yet, when fewer are wanted. */
async function keepsTheRetiredUntilThen(): Promise<void> {
  await using program = await start({ workers: 2, fresh: true })
  const read = 'the-service-never-stops'
  const because = 'both of two workers are retired, then one is wanted, and no fresh one listens yet'
  await opensAdmin(program, 'the-admin-interface')
  await giveNextForks(program, { holdListen: true })
  const clients = someClients(program)
  try {
    for (const { id } of program.listening) await giveOrder(program, `POST /workers/${id}/retire`, { read })
    await program.heldWorker()
    await giveOrder(program, 'PUT /scale', { body: '{"workers":1}', read })
    await program.quiet(500)
    await giveNextForks(program, {})
    // Some may come to their listen only now.
    const nobodyStarts = (): boolean =>
      program.workers.every(({ state }) => state !== 'forked' && state !== 'online')
    await program.releaseListenUntil(nobodyStarts, { within: seconds(10) })
    await reaches(program, 1, { within: seconds(20), because, read })
  } finally {
    await clients.stop()
  }
  const likely =
    'when fewer are wanted, those that are retired are told to go at once, with nobody else there'
  noneFailed(program, clients, { because, likely, read })
}

/** Clients that open a connection for each request, so that any worker may get it. */
const someClients = (program: Program): Asking => keepAsking(program.port, '/', { clients: 3, pauseMs: 5 })

function noneFailed(
  program: Program,
  { results }: Asking,
  { because, ...advice }: { because: string; likely: string; read: string },
): void {
  const failures = describeFailures(withoutCutByNode(program, results))
  holds(failures === '', {
    expected: `every request is answered: ${because}`,
    got: `of ${results.length} requests to / failed: ${failures}`,
    ...advice,
    repeat: program.command,
  })
}

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
    const killed = await program.killOneWorker()
    await expect(program).toReplace(killed, { within: seconds(5), read: 'wanted-against-alive' })
  }
  await expect(program).toGetShare(0.6, { read: 'sharing-the-load' })
})

check('SIGTERM ends everything, whatever is in flight', async () => {
  await inOrder([endsAtRest(), endsInTheMiddle()])
})

/** Nobody is resurrected. */
async function endsAtRest(): Promise<void> {
  await using program = await start({ workers: 2, fresh: true })
  const before = program.workers.length
  await endsInTime(program)
  const forked = program.workers.length - before
  holds(forked === 0, {
    expected: 'nobody is forked after SIGTERM',
    got: `${forked} ${forked === 1 ? 'was' : 'were'}`,
    likely: 'each worker that ends looks like one that has to be replaced',
    read: 'the-end-of-everything',
    repeat: program.command,
  })
}

/** One of four workers drains a request that never ends, the others have one in flight, and two are starting. */
async function endsInTheMiddle(): Promise<void> {
  const read = 'the-end-of-everything'
  await using program = await start({ workers: 4, fresh: true })
  await opensAdmin(program, 'the-admin-interface')
  using _slow = await beginOnEach(program, program.listening, '/slow?ms=600000', { read })
  const [retired] = program.atLeast(1)
  await giveOrder(program, `POST /workers/${retired.id}/retire`, { read })
  await isListedAsDraining(program, retired)
  await giveNextForks(program, { holdListen: true })
  await giveOrder(program, 'PUT /scale', { body: '{"workers":6}', read })
  const held = await program.until(() => program.eventsOf('listen-held')[0], { within: seconds(5) })
  // One of those that start dies: who would fork for it in a while has to think again.
  const starting = program.workers.find(({ pid }) => pid === held?.pid)
  if (starting !== undefined) await program.untilGone(await program.killOneWorker(starting))
  const signalledAt = Date.now()
  await endsInTime(program)
  forksNobodyAfter(program, signalledAt, read)
}

async function endsInTime(program: Program): Promise<void> {
  const read = 'the-end-of-everything'
  await program.signal('SIGTERM')
  await expect(program).toEnd({
    within: seconds(5),
    likely: 'it waits for requests in flight, which may never end, or for a worker that it does not kill',
    read,
  })
  await expect(program).toLeaveNoProcess({
    within: seconds(6),
    likely:
      'a worker that was disconnected on purpose does not end with its primary, and cluster.workers does not hold it',
    read,
  })
}

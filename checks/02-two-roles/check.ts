import {
  asksForTheDefaultPort,
  check,
  cores,
  describeAnswer,
  endsAfterADeath,
  endsOnSigterm,
  expect,
  holds,
  inOrder,
  jsonOf,
  keptConnection,
  meetEveryWorker,
  noteOldNames,
  pause,
  refusesOddRequests,
  seconds,
  servesPages,
  start,
  workersUnderLoad,
  type Answer,
  type Program,
  type Worker,
} from '#harness'

check('the primary forks WORKERS workers', async () => {
  await using unset = await start()
  const read = 'one-file-and-two-roles'
  await expect(unset).toHaveForked(cores(), { likely: 'WORKERS defaults to os.availableParallelism()', read })
  await using three = await start({ workers: 3 })
  await expect(three).toHaveForked(3, { likely: 'the number is not read from process.env.WORKERS', read })
  await using one = await start({ workers: 1 })
  await expect(one).toHaveForked(1, {
    likely: 'one worker is still a worker: the primary serves nothing',
    read,
  })
  noteOldNames(three)
})

check('every worker answers on one port, and the primary never does', async () => {
  await using program = await start({ workers: 3 })
  const read = 'who-owns-the-port'
  const answers = await meetEveryWorker(program, '/render?visitor=you', {
    likely: 'a worker listens, but gets no connections: it listens elsewhere, or its event loop is blocked',
    read,
  })
  const byPrimary = answers.filter((answer) => answer.servedBy?.role !== 'worker').length
  const listens = program.portsOfPrimary()[0]
  holds(byPrimary === 0 && listens === undefined, {
    expected: 'only workers answer, and the primary serves nothing',
    got:
      byPrimary > 0
        ? `${byPrimary} of ${answers.length} answers came from the primary`
        : `the primary listens on port ${listens} too`,
    likely: 'createServer and listen stand outside the branch of the workers, so the primary runs them too',
    read,
    repeat: program.command,
  })
  await using unset = await start({ workers: 1, withoutPort: 8000, unready: true, fresh: true })
  await asksForTheDefaultPort(unset, 'the-contract')
})

check("an answer tells its worker's role, pid, parent and id", async () => {
  await using program = await start({ workers: 3 })
  const answers = await meetEveryWorker(program, '/', { read: 'say-who-you-are' })
  for (const answer of answers) {
    const { servedBy } = answer
    const wanted = { role: 'worker', pid: servedBy?.pid, ppid: program.pid, worker: servedBy?.worker }
    const { role, pid, ppid, worker } = jsonOf(answer) ?? {}
    holds(JSON.stringify({ role, pid, ppid, worker }) === JSON.stringify(wanted), {
      expected: `/ answers ${JSON.stringify(wanted)} with hits beside them`,
      got: describeAnswer(answer),
      likely: 'worker is cluster.worker.id, and the parent of each worker is the primary',
      read: 'say-who-you-are',
      repeat: program.commandWith('/'),
    })
  }
})

check('every page is rendered for its visitor', async () => {
  await using program = await start({ workers: 3 })
  await servesPages(program, 'one-page-one-render')
})

check('unknown paths and wrong methods are refused, and nothing ends', async () => {
  await using program = await start({ workers: 3 })
  await refusesOddRequests(program, ['/', '/render'], 'refuse-what-you-do-not-serve')
})

check('each worker counts its own hits', async () => {
  await using program = await start({ workers: 3, fresh: true })
  const other = async (): Promise<void> => {
    for (const path of ['/nowhere', '//', '/nowhere?/']) await program.fetch(path)
    for (const method of ['POST', 'PUT', 'DELETE']) await program.fetch('/', { method })
    await program.fetch('/render?visitor=you')
  }
  // What comes before, in between and at the same time must not count.
  await other()
  const answers = [...(await meetEveryWorker(program, '/', { read: 'memory-is-not-shared' }))]
  await other()
  answers.push(...(await meetEveryWorker(program, '/', { read: 'memory-is-not-shared' })))
  answers.push(...(await atOnce(program, 24)))
  countFromOne(program, answers)
})

/** So many requests for `/`, each on its own connection: several are with one worker at the same time. */
function atOnce(program: Program, count: number): Promise<readonly Answer[]> {
  return Promise.all(Array.from({ length: count }, () => program.get('/', { read: 'memory-is-not-shared' })))
}

/** @param answers all that these workers have given to `/` */
function countFromOne(program: Program, answers: readonly Answer[]): void {
  const byWorker = new Map<number, number[]>()
  for (const answer of answers) {
    const id = answer.servedBy?.worker ?? 0
    byWorker.set(id, [...(byWorker.get(id) ?? []), Number(jsonOf(answer)?.hits)])
  }
  for (const [worker, hits] of byWorker) isCountedFromOne(program, worker, hits)
}

function isCountedFromOne(program: Program, worker: number, unsorted: readonly number[]): void {
  const hits = [...unsorted].sort((a, b) => a - b)
  holds(
    hits.every((count, index) => count === index + 1),
    {
      expected: `the answers of worker ${worker} to / count 1, 2, 3, … ${hits.length}`,
      got: `${hits.slice(0, 12).join(', ')}${hits.length > 12 ? ', …' : ''}`,
      likely: Number.isNaN(hits[0])
        ? 'hits is missing, or not a number'
        : 'other routes are counted too, or the counter is shared through a file or the primary, or read before an await and written after it',
      read: 'memory-is-not-shared',
      repeat: program.commandWith('/'),
    },
  )
}

check('a kept-alive connection stays with one worker', async () => {
  await using program = await start({ workers: 3 })
  using connection = keptConnection()
  const answers: Answer[] = []
  for (let sent = 0; sent < 20; sent += 1) {
    // A client may think in between.
    if (sent === 10) await pause(100)
    answers.push(await program.get('/', connection))
  }
  const closed = answers.find((answer) => answer.headers.connection === 'close')
  holds(closed === undefined, {
    expected: 'a client may keep its connection for the next request',
    got: 'the server answered with connection: close',
    likely: 'a header or a timeout of 0 turns keep-alive off, which is on by default',
    read: 'a-connection-stays-with-its-worker',
    repeat: program.commandWith('/'),
  })
  const pids = new Set(answers.map((answer) => answer.servedBy?.pid))
  holds(pids.size === 1, {
    expected: 'twenty requests on one kept-alive connection meet one worker',
    got: `${pids.size} processes answered them`,
    likely:
      'connections are closed soon, and the client has to open another (keepAliveTimeout), or something stands between the client and the workers and deals out requests: a proxy in the primary',
    read: 'a-connection-stays-with-its-worker',
    repeat: program.command,
  })
  const hits = answers.map((answer) => Number(jsonOf(answer)?.hits))
  holds(
    hits.every((count, index) => count === (hits[0] ?? 0) + index),
    {
      expected: 'every request on a connection that is kept counts as a hit',
      got: `hits of ${hits.join(', ')}`,
      likely: 'connections are counted, and not answers',
      read: 'memory-is-not-shared',
      repeat: program.commandWith('/'),
    },
  )
})

check('killing one worker leaves the others serving', async () => {
  await inOrder([leavesTheOthers(), livesOn()])
})

async function leavesTheOthers(): Promise<void> {
  await using program = await start({ workers: 3, fresh: true })
  const read = 'when-a-worker-dies'
  // First the first, then the last: none is more than the others.
  const [first, other, last] = program.atLeast(3)
  const answers = [
    ...(await servesWithout(program, first, read)),
    ...(await servesWithout(program, last, read)),
  ]
  // Whatever the program makes of the deaths happens now.
  await program.quiet(seconds(1))
  holds(
    program.listening.some(({ pid }) => pid === other.pid),
    {
      expected: 'after two of three workers were killed, the third goes on',
      got: 'it has gone, too',
      likely: 'one death restarts all workers, and each of them had clients',
      read,
      repeat: program.command,
    },
  )
  answers.push(...(await meetEveryWorker(program, '/', { read })))
  const old = [first, other, last].map(({ id }) => id)
  countFromOne(
    program,
    answers.filter(({ servedBy }) => servedBy !== undefined && !old.includes(servedBy.worker)),
  )
  await primaryStaysSilent(program, read)
}

/** What a program does with its workers from time to time meets a dead one by then. */
async function livesOn(): Promise<void> {
  await using program = await start({ workers: 2, fresh: true })
  const read = 'when-a-worker-dies'
  await program.untilGone(await program.killOneWorker())
  await pause(seconds(4))
  await program.get('/', {
    expected: '4 s after a worker was killed, the program still serves',
    likely: 'something is sent to a worker that has gone, which is an error event that nobody hears',
    read,
  })
}

/** Not even while there is no worker left. */
async function primaryStaysSilent(program: Program, read: string): Promise<void> {
  await Promise.all(program.listening.map((worker) => program.killOneWorker(worker)))
  for (let asked = 0; asked < 10; asked += 1) {
    const answer = await program.fetch('/', { within: seconds(1) })
    holds(!answer.ok || answer.servedBy?.role !== 'primary', {
      expected: 'the primary answers no request itself, also when every worker was killed',
      got: describeAnswer(answer),
      read,
      repeat: program.command,
    })
    await pause(100)
  }
}

/** Resolves to what was answered. */
async function servesWithout(program: Program, victim: Worker, read: string): Promise<readonly Answer[]> {
  const answers: Answer[] = []
  const lost = await program.killOneWorker(victim)
  await program.untilGone(lost)
  for (let asked = 0; asked < 20; asked += 1) {
    const answer = await program.get('/', {
      expected: 'after one worker was killed, the others answer every request',
      likely: 'the primary ends with its worker, or the worker that was killed did more than serve',
      read,
    })
    holds(answer.servedBy?.role === 'worker', {
      expected: 'after one worker was killed, another worker answers',
      got: 'the primary answers itself',
      read,
      repeat: program.command,
    })
    answers.push(answer)
  }
  return answers
}

check('the workers share the load', async () => {
  await using program = await start({ workers: workersUnderLoad() })
  await expect(program).toGetShare(0.6, { read: 'sharing-the-load' })
})

check('SIGTERM ends the program', async () => {
  await inOrder([endsWhenAsked(), endsWhenOneHasDied()])
})

async function endsWhenAsked(): Promise<void> {
  await using program = await start()
  await endsOnSigterm(program, 'the-end-of-the-program')
}

async function endsWhenOneHasDied(): Promise<void> {
  await using program = await start({ fresh: true })
  await endsAfterADeath(program, {
    // A program that replaces it may have done so.
    rest: 500,
    likely: 'the primary waits for a worker that has died before, as its exit has come already',
    read: 'the-end-of-the-program',
  })
}

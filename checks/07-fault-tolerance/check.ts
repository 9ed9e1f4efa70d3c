import {
  beginOnEach,
  check,
  cores,
  crash,
  describeAnswer,
  describeFailures,
  expect,
  forksNobodyAfter,
  giveNextForks,
  giveOrder,
  holds,
  inOrder,
  Inconclusive,
  keepsAdminToLoopback,
  keepsPaceInReload,
  keptConnection,
  openRequest,
  orderReload,
  patientNow,
  refusesOddRequests,
  replacesAll,
  reject,
  reloadUnderLoad,
  seconds,
  servesPages,
  sideBySide,
  start,
  tellsReadyOnce,
  takenBetween,
  withoutCutByNode,
  workersUnderLoad,
  type InFlight,
  type Program,
  type Worker,
} from '#harness'

/** Claims that wait for most of their time are looked at side by side. */
const crashes = sideBySide({ rejection, overdueCrash, noBoot, series, renewedBudget })
const ends = sideBySide({ sigterm, ctrlC, endless, replacementFirst, failedReload, endInReload })

check('a crash ends no request but its own', async () => {
  await using program = await start({ workers: 2, fresh: true })
  await endsOnlyItself(program, 'an exception', () => askForCrash(program))
})

check('an unhandled rejection is a crash, too', async () => crashes.rejection())
check('a crashed worker is gone soon after SHUTDOWN_MS', async () => crashes.overdueCrash())
check('workers that die before they listen end the program, with a reason', async () => crashes.noBoot())
check('twelve crashes do not end the service', async () => crashes.series())
check('a worker that listens renews the budget', async () => crashes.renewedBudget())
check('SIGTERM lets requests end, and nothing else', async () => ends.sigterm())
check('Ctrl-C does the same, and a second signal changes nothing', async () => ends.ctrlC())
check('a request that never ends is cut at SHUTDOWN_MS', async () => ends.endless())
check('a reload has the replacement listen before the old worker drains', async () => ends.replacementFirst())
check('a reload into a boot crash keeps the old workers', async () => ends.failedReload())
check('SIGTERM ends a reload', async () => ends.endInReload())

check('a reload under load fails no request', async () => {
  await using program = await start({ workers: 3, fresh: true })
  const advice = { read: 'replace-first-then-retire', repeat: program.command }
  const old = program.listening
  // Not so long that SHUTDOWN_MS, 5000 unless set, could cut them.
  using slow = await beginOnEach(program, old, '/slow?ms=3500', { read: advice.read })
  const { complete, results, fewest, gap, took } = await reloadUnderLoad(program, () =>
    program.signal('SIGHUP'),
  )
  await program.mustBeAlive()
  const failures = describeFailures(withoutCutByNode(program, results))
  holds(failures === '', {
    ...advice,
    expected: 'every request over a fresh connection is answered, before, during and after a reload',
    got: `of ${results.length} requests failed: ${failures}`,
    likely: 'a worker ends with requests in hand, or with a connection that was on its way to it',
  })
  for (const worker of old) {
    await isAnswered(program, slow, worker, {
      what: 'on a worker that a reload renews',
      likely: 'the drains of a reload are cut short: they have until SHUTDOWN_MS, as any other',
      read: advice.read,
    })
  }
  holds(complete, {
    ...advice,
    expected: 'SIGHUP replaces all 3 workers within 30 s',
    got: `${program.listening.length} listen, ${program.workers.length - 3} were forked for it`,
    likely: 'nothing listens for SIGHUP, or the reload waits for something that does not come',
  })
  holds(fewest >= 2, {
    ...advice,
    expected: 'at least 2 of 3 workers listen at any time',
    got: `at one time ${fewest} did`,
    likely: 'all of them drain at once, before their replacements listen',
  })
  holds(gap < 1_000 + took, {
    ...advice,
    expected: 'no second without an answer',
    got: `${(gap / 1_000).toFixed(1)} s without one`,
  })
})

check('ready is printed once, and a worker that is killed is replaced', async () => {
  // WORKERS is unset: as many as there are cores.
  await using whole = await start()
  await tellsReadyOnce(whole, cores(), 'the-contract')
  await using program = await start({ workers: 2, fresh: true })
  const lost = await program.killOneWorker()
  await isReplaced(program, lost, lost.lostAfter)
  // Whatever it says at its end: nobody has asked for it.
  const left = await program.exitOneWorker(0)
  await isReplaced(program, left, left.lostAfter)
  await replacesAll(program, { within: seconds(10), read: 'pauses-and-a-budget' })
  await program.quiet(150)
  await tellsReadyOnce(program, 2, 'the-contract')
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
  await using program = await start({ workers: workersUnderLoad() })
  await expect(program).toGetShare(0.6, { read: 'sharing-the-load' })
})

check('a reload keeps half the pace of a plain one', async () => {
  await using program = await start({ workers: Math.max(2, workersUnderLoad()), fresh: true })
  await keepsPaceInReload(program, 0.5, {
    likely: 'workers that could serve wait, or do not listen, while others start',
    read: 'replace-first-then-retire',
  })
})

// Crashes

async function rejection(): Promise<void> {
  await using program = await start({ workers: 2, fresh: true })
  await endsOnlyItself(program, 'an unhandled rejection', async ([victim]) => {
    await reject(program, victim)
    return victim.pid
  })
}

/** Whoever began a request before the crash gets its answer; the worker goes with a failure, and is replaced. */
async function endsOnlyItself(
  program: Program,
  what: string,
  crashOne: (workers: readonly [Worker, Worker]) => Promise<number>,
): Promise<void> {
  const read = 'after-an-exception'
  const workers = twoOf(program)
  using inFlight = await beginSlow(program, workers, read)
  const lostAfter = program.lastSeq
  const pid = await crashOne(workers)
  const victim = workers.find((worker) => worker.pid === pid) ?? workers[0]
  for (const worker of workers) {
    await isAnswered(program, inFlight, worker, {
      what:
        worker === victim ? `on the worker with ${what}` : `on the other worker, not the one with ${what}`,
      likely:
        worker === victim
          ? 'the worker exits at once: without a handler Node ends it, and process.exit() in one does not wait'
          : 'the crash of one worker ends others, or the primary',
      read,
    })
  }
  const exit = await exitOf(program, victim, seconds(7))
  holds(exit !== undefined, {
    expected: `after ${what} a worker ends what it has begun, and exits`,
    got: 'it has nothing left to do, and lives on',
    likely: 'a handler swallows the error: nobody knows what the process is worth now',
    read,
    repeat: program.command,
  })
  hasFailed(program, exit, what)
  await isReplaced(program, victim, lostAfter)
}

/** Asks for `/crash`, and goes away: left open, this request would hold the drain. Resolves to whom it met. */
async function askForCrash(program: Program): Promise<number> {
  const since = program.lastSeq
  using _ = openRequest(program.port, '/crash').end()
  const begun = await program.until(
    () => program.eventsOf('request').find(({ seq, url }) => seq > since && url === '/crash'),
    { within: seconds(5) },
  )
  holds(begun !== undefined, {
    expected: 'a worker takes GET /crash within 5 s, while two requests are in flight',
    got: 'none did',
    read: 'the-contract',
    repeat: program.command,
  })
  return begun.pid
}

async function overdueCrash(): Promise<void> {
  await using program = await start({ workers: 2, env: { SHUTDOWN_MS: '1000' }, fresh: true })
  const read = 'a-deadline-for-every-drain'
  const workers = twoOf(program)
  const [victim, other] = workers
  using inFlight = await beginOnEach(program, workers, '/slow?ms=600000', { read })
  const lostAfter = program.lastSeq
  const at = now()
  await crash(program, victim)
  const exit = await exitOf(program, victim, seconds(3))
  holds(exit !== undefined, {
    expected: 'a crashed worker is gone 2 s after SHUTDOWN_MS (1000) at the latest, whatever it has begun',
    got: 'it lives on, with a request that never ends',
    likely: 'the drain has no deadline, or not the one that SHUTDOWN_MS names',
    read,
    repeat: program.command,
  })
  hasFailed(program, exit, 'an exception')
  // A worker may end itself a little before it would be killed.
  holds(exit.at - at > 700, {
    expected: 'what a crashed worker has begun has until SHUTDOWN_MS (1000) to end',
    got: `it was gone after ${Math.round(exit.at - at)} ms`,
    likely: 'the drain of a crashed worker is cut short, or has a deadline of its own',
    read,
    repeat: program.command,
  })
  holds(inFlight.of(other).failure === undefined, {
    expected: 'the deadline of a crashed worker is for that worker alone',
    got: `a request on the other worker was cut, too (${inFlight.of(other).failure})`,
    read,
    repeat: program.command,
  })
  await isReplaced(program, victim, lostAfter)
  // A second one may come for the exit, after a pause.
  const forked = (): number => program.workers.filter(({ forkedSeq }) => forkedSeq > lostAfter).length
  await program.until(() => forked() > 1 || undefined, { within: seconds(3.3) })
  holds(forked() === 1, {
    expected: 'one worker in the place of one that has crashed and whose drain was cut',
    got: `${forked()} were forked`,
    likely: 'it is replaced at the crash, and again when its exit comes, which looks like another death',
    read,
    repeat: program.command,
  })
}

function hasFailed(program: Program, { code, signal }: Exit, what: string): void {
  holds(code !== 0 || signal !== null, {
    expected: `after ${what} a worker ends with an exit code other than 0`,
    got: 'it ended with exit code 0',
    likely: 'whoever watches exit codes is told that all is well: set process.exitCode, or name the code',
    read: 'after-an-exception',
    repeat: program.command,
  })
}

async function isReplaced(program: Program, victim: Worker, lostAfter: number): Promise<void> {
  await expect(program).toReplace(
    { ...victim, lostAfter },
    {
      within: seconds(8),
      expected:
        'a worker that ends unasked is replaced, 3 s after its exit at the latest, and the replacement listens within 5 s more',
      read: 'pauses-and-a-budget',
    },
  )
}

async function noBoot(): Promise<void> {
  await using program = await start({
    workers: 2,
    env: { CRASH_ON_BOOT: '1' },
    unready: true,
    fresh: true,
    muteWorkers: true,
  })
  const advice = { read: 'pauses-and-a-budget', repeat: program.command }
  const over = (): unknown => program.ended ?? (forksBeyondBudget(program) > 0 || undefined)
  await program.until(over, { within: seconds(15), alive: false })
  const forks = program.eventsOf('fork')
  const early = forks.filter(({ at }) => at - (forks[0]?.at ?? 0) <= 3_000).length
  holds(early <= 10, {
    ...advice,
    expected: 'where no worker can start, at most 10 forks in the first 3 s with 2 workers',
    got: `${early} forks`,
    likely: 'each death is followed by a fork at once: put a pause before it, and a bound on how often',
  })
  // Beside other programs a start takes longer than here, and nobody tells how much of that the machine took from a
  // worker that is dead by now. The pauses are the program's own.
  const paused = (): true | undefined => pausedFor(program) > 12_000 || undefined
  await program.until(() => over() ?? paused(), { within: seconds(45), alive: false })
  holds(forksBeyondBudget(program) === 0, {
    ...advice,
    expected: 'when 5 workers in a row died before they listened, nothing is forked any more',
    got: `after ${program.eventsOf('exit').length} deaths it forked another`,
    likely: 'nothing counts the workers that never listened, or the budget is a larger one',
  })
  const { ended } = program
  holds(ended !== undefined, {
    ...advice,
    expected:
      'the program gives up when 5 workers in a row died before they listened, within 15 s of its start',
    got: `it goes on, after ${program.eventsOf('fork').length} forks`,
    likely: 'nothing counts the workers that never listened, or the pauses grow too long',
  })
  holds(ended.code === 1, {
    ...advice,
    expected: 'the program gives up with exit code 1',
    got: ended.signal === null ? `exit code ${ended.code}` : `it died of ${ended.signal}`,
  })
  const deaths = program.eventsOf('exit')
  // The primary may end before the fifth is told.
  holds(deaths.length >= 4, {
    ...advice,
    expected: 'the program gives up at the fifth worker in a row that dies before it listens',
    got: `it gave up after ${deaths.length}`,
  })
  const fourth = deaths[3]
  const last = fourth === undefined ? 0 : crashedSince(program, fourth.workerPid, fourth.at)
  const reason = await program.until(() => saidSince(program, last), { within: seconds(2), alive: false })
  holds(reason !== undefined, {
    ...advice,
    expected: 'the primary prints why it gives up, on either stream',
    got: 'it printed nothing after the last death (what workers print was kept apart)',
  })
  await expect(program).toLeaveNoProcess({ within: seconds(5), read: advice.read })
}

/** Forks after so many deaths that no reading of the budget allows another, and after what may have been under way. */
function forksBeyondBudget(program: Program): number {
  const sixth = program.eventsOf('exit')[5]
  return sixth === undefined ? 0 : program.eventsOf('fork').filter(({ at }) => at > sixth.at + 500).length
}

/** How long, since its first fork, no worker of it lived, ms. */
function pausedFor(program: Program): number {
  const changes = [
    ...program.eventsOf('fork').map(({ at }) => ({ at, by: 1 })),
    ...program.eventsOf('exit').map(({ at }) => ({ at, by: -1 })),
  ].toSorted((one, other) => one.at - other.at)
  let alive = 0
  let paused = 0
  changes.forEach(({ at, by }, index) => {
    alive += by
    if (alive === 0) paused += (changes[index + 1]?.at ?? now()) - at
  })
  return paused
}

/** A fork that comes so long after the news that set it off was put off on purpose, ms. */
const PAUSE = 40
/** Where half of the forks come sooner than this after some news, that news sets them off, ms. */
const AT_ONCE = 10

async function series(): Promise<void> {
  await using program = await start({ workers: 2, fresh: true, recordMessages: true })
  const advice = { read: 'pauses-and-a-budget', repeat: program.command }
  const waits: Wait[] = []
  let count = 0
  // A bucket of tokens may be deep: whoever has not paused yet gets more crashes.
  while (count < 12 || (pausesIn(waits) < 2 && count < 30)) {
    const victim = twoOf(program)[0]
    const since = program.lastSeq
    const at = now()
    await crash(program, victim)
    count += 1
    const forked = (): boolean => program.workers.some(({ forkedSeq }) => forkedSeq > since)
    const left = (): true | undefined =>
      program.workers.some(({ pid, state }) => pid === victim.pid && state === 'gone') ||
      program.ended !== undefined ||
      undefined
    await program.until(left, { within: seconds(7), alive: false })
    const inTime = await program.until(() => forked() || program.ended !== undefined || undefined, {
      within: LONGEST_PAUSE,
      alive: false,
    })
    holds(inTime === true, {
      ...advice,
      expected: 'a pause before the fork of a replacement is at most 3 s',
      got: `${(LONGEST_PAUSE / 1_000).toFixed(1)} s after the exit of a crashed worker none was forked, at crash ${count}`,
      likely: 'the pauses grow without bound, or a crash is replaced only so many times',
    })
    const whole = (): 'whole' | 'ended' | undefined => {
      if (program.ended !== undefined) return 'ended'
      const gone = program.workers.some(({ pid, state }) => pid === victim.pid && state === 'gone')
      const renewed = program.listening.some(({ forkedSeq }) => forkedSeq > since)
      return gone && renewed && program.listening.length >= 2 ? 'whole' : undefined
    }
    const so = await program.until(whole, { within: seconds(15), alive: false })
    holds(so !== 'ended', {
      ...advice,
      expected: 'workers that crash after they have served never end the program',
      got: `it ended (exit code ${program.ended?.code}) after ${count} crashes, one by one, each replaced in between`,
      likely:
        'crashes of serving workers count against the budget that is meant for those that never listened',
    })
    holds(so === 'whole', {
      ...advice,
      expected: 'each crashed worker is replaced, 3 s after its exit at the latest',
      got: `after ${count} crashes, one by one, ${program.listening.length} of 2 workers listen`,
      likely: 'the pauses grow without bound, or a crash is replaced only so many times',
    })
    await program.get('/', advice)
    waits.push(waitBefore(program, victim, at))
  }
  await expect(program).toHaveForked(2 + count, {
    likely: 'some crashes are replaced twice: when the worker tells of it, and again when it exits',
    ...advice,
  })
  holds(pausesIn(waits) >= 2, {
    ...advice,
    expected: 'a replacement waits a moment, if not every time: 50 ms or more after the crash',
    got: `${count} crashes in a row, each followed by a fork at once`,
    likely: 'workers that crash as soon as they serve would be forked as fast as the machine can',
  })
}

/** The longest pause that is allowed, and what a look and a fork take, ms. */
const LONGEST_PAUSE = seconds(3.5)

/** How long after a crash the fork came, ms. */
interface Wait {
  readonly afterCrash: number
  /** After the latest news of the worker that the primary had by then. */
  readonly afterNews: number
}

function waitBefore(program: Program, victim: Worker, crashedAt: number): Wait {
  const fork = program.eventsOf('spawning').find(({ pid, at }) => pid === program.pid && at > crashedAt)
  if (fork === undefined) return { afterCrash: 0, afterNews: 0 }
  const ofVictim = [...program.eventsOf('disconnect'), ...program.eventsOf('exit')].filter(
    ({ workerPid }) => workerPid === victim.pid,
  )
  const heard = program.eventsOf('heard').filter(({ from }) => from === victim.pid)
  const news = [...ofVictim, ...heard].map(({ at }) => at).filter((at) => at <= fork.at)
  return { afterCrash: fork.at - crashedAt, afterNews: fork.at - Math.max(crashedAt, ...news) }
}

/**
 * How many forks were put off on purpose. The latest news before a fork is what set it off, or else the worker happened
 * to go in the middle of a pause; then it does not come just before the fork each time.
 */
function pausesIn(waits: readonly Wait[]): number {
  const median = waits.map(({ afterNews }) => afterNews).toSorted((one, other) => one - other)[
    Math.floor(waits.length / 2)
  ]
  const isChance = median !== undefined && median >= AT_ONCE
  return waits.filter(({ afterCrash, afterNews }) => afterNews >= PAUSE || (isChance && afterCrash >= 50))
    .length
}

async function renewedBudget(): Promise<void> {
  await using program = await start({ workers: 2, fresh: true })
  const advice = { read: 'pauses-and-a-budget', repeat: program.command }
  let deaths = 0
  while (deaths < 6) {
    await giveNextForks(program, { env: { CRASH_ON_BOOT: '1' } })
    const { lostAfter } = await program.killOneWorker()
    const dead = (): number => neverListened(program, lostAfter).length
    const two = await program.until(() => dead() >= 2 || program.ended !== undefined || undefined, {
      within: seconds(15),
      alive: false,
    })
    await giveNextForks(program, {})
    const back = await program.until(
      () => program.listening.length >= 2 || program.ended !== undefined || undefined,
      {
        within: seconds(15),
        alive: false,
      },
    )
    deaths += dead()
    holds(program.ended === undefined, {
      ...advice,
      expected: 'the budget of 5 is for deaths in a row: a worker that listens renews it',
      got: `it ended (exit code ${program.ended?.code}) after ${deaths} workers that never listened, with others in between that did`,
      likely: 'deaths are counted, and the count is never set back to 0',
    })
    holds(two !== undefined && back !== undefined, {
      ...advice,
      expected: 'a worker that dies before it listens is replaced, too, until the budget is used up',
      got: two === undefined ? 'no second one was forked' : 'no other was forked, though now it could start',
    })
  }
}

// Endings

function sigterm(): Promise<void> {
  return drains('SIGTERM to the primary', async (program) => {
    await program.signal('SIGTERM')
  })
}

function ctrlC(): Promise<void> {
  return drains(
    'SIGINT to the whole process group',
    async (program) => {
      await program.signal('SIGINT', 'group')
    },
    async (program) => {
      await program.signal('SIGINT', 'group')
      await program.signal('SIGTERM', 'group')
      await program.signal('SIGINT')
      await program.signal('SIGHUP')
    },
  )
}

async function drains(
  what: string,
  first: (program: Program) => Promise<void>,
  more?: (program: Program) => Promise<void>,
): Promise<void> {
  await using program = await start({ workers: 2, env: { SHUTDOWN_MS: '6000' }, fresh: true })
  const read = 'end-on-a-signal'
  const workers = twoOf(program)
  using _idle = await leaveIdle(program)
  // Kept-alive connections, which become idle in the middle of the drain; one worker has more to do than the other.
  using longer = await beginSlow(program, workers, read, { keepAlive: true, ms: 2_400 })
  longer.of(workers[0])[Symbol.dispose]()
  using shorter = await beginSlow(program, workers, read, { keepAlive: true })
  const end = await watchEnd(program)
  await first(program)
  const refuses = async (): Promise<true | undefined> => {
    const answer = await program.fetch('/', { within: seconds(1) })
    return (!answer.ok && answer.code !== 'timeout') || undefined
  }
  const refused = await program.eventually(refuses, { within: seconds(1) })
  holds(refused === true, {
    expected: `1 s after ${what} new connections are refused or reset`,
    got: 'they are still taken',
    likely: 'the workers go on listening, or drain one after the other',
    read,
    repeat: program.command,
  })
  await more?.(program)
  for (const [worker, inFlight] of [
    [workers[0], shorter],
    [workers[1], longer],
  ] as const) {
    await isAnswered(program, inFlight, worker, {
      what: more ? `at ${what}, with more signals after it` : `at ${what}`,
      likely: more
        ? 'Ctrl-C reaches the workers, too, and without a listener of their own ends them; or a second signal kills'
        : 'process.exit() does not wait for anything; or it is called when the first worker has gone',
      read,
      alive: false,
    })
  }
  await end.isGood(read)
}

/** Connections that have had their answer: idle now, if the program keeps them at all. */
async function leaveIdle(program: Program): Promise<Disposable> {
  const kept = Array.from({ length: 6 }, () => keptConnection())
  await Promise.all(kept.map(({ agent }) => program.fetch('/', { agent })))
  return {
    [Symbol.dispose]() {
      for (const one of kept) one[Symbol.dispose]()
    },
  }
}

/** Watches how a program ends; from now on nothing may be forked. */
async function watchEnd(program: Program) {
  const since = program.lastSeq
  const before = await program.usage()
  return {
    async isGood(read: string): Promise<void> {
      const took = program.ended === undefined ? takenBetween(before, await program.usage()) : 0
      const ended = await program.until(() => program.ended, { within: seconds(3), alive: false })
      const advice = { read, repeat: program.command }
      const expected = 'when the last answer is out the program ends within 3 s, with exit code 0'
      const likely =
        'a kept-alive connection is idle now and holds its server: server.close() ends those that are idle at that moment, not those that become idle later'
      holds(ended !== undefined, { ...advice, expected, got: 'it still runs', likely })
      if (ended.code === 1 && took > 1_000) {
        throw new Inconclusive(
          `This machine held the program up for ${(took / 1_000).toFixed(1)} s of its 6.`,
        )
      }
      holds(ended.code === 0, {
        ...advice,
        expected,
        got: ended.signal === null ? `exit code ${ended.code}` : `it died of ${ended.signal}`,
        likely: ended.code === 1 ? likely : undefined,
      })
      const forks = program.eventsOf('fork').filter(({ seq }) => seq > since).length
      holds(forks === 0, {
        ...advice,
        expected: 'after the signal nothing is forked any more',
        got: `${forks} ${forks === 1 ? 'worker was' : 'workers were'} forked`,
        likely:
          'a worker that goes on the way out looks like one that died, or a pause before a fork goes on',
      })
      await expect(program).toLeaveNoProcess({ within: seconds(5), read })
    },
  }
}

async function endless(): Promise<void> {
  await using program = await start({ workers: 3, env: { SHUTDOWN_MS: '1000' }, fresh: true })
  const read = 'a-deadline-for-every-drain'
  const [first, second, third] = program.atLeast(3)
  using _inFlight = await beginOnEach(program, [first, second], '/slow?ms=600000', { read })
  // Whoever has to be replaced just now is not, any more.
  await program.untilGone(await program.killOneWorker(third))
  const at = now()
  await program.signal('SIGTERM')
  const more = signalsAgain(program)
  await expect(program).toEnd({
    within: seconds(3),
    code: 1,
    read,
    likely:
      'the deadline is missing, or it looks for workers in cluster.workers, which those that drain have left, or begins anew with each signal; 1 tells that something was cut',
  })
  await more
  forksNobodyAfter(program, at, 'end-on-a-signal')
  const ended = program.eventsOf('ended')[0]?.at ?? at
  holds(ended - at > 900, {
    expected: 'requests in flight have until SHUTDOWN_MS (1000) to end',
    got: `all was over after ${Math.round(ended - at)} ms`,
    likely: 'the program does not wait for what it has begun',
    read,
    repeat: program.command,
  })
  await expect(program).toLeaveNoProcess({
    within: seconds(3),
    read,
    likely: 'the primary goes, and leaves the workers that drain to themselves: they have to be killed',
  })
}

/** More signals while it drains: who counts from each of them never comes to an end in time. */
async function signalsAgain(program: Program): Promise<void> {
  for (let nth = 0; nth < 7; nth += 1) {
    const ended = await program.until(() => program.ended, { within: 400, alive: false })
    if (ended !== undefined) return
    await program.signal(nth % 2 === 0 ? 'SIGINT' : 'SIGTERM')
  }
}

// Reloads

async function replacementFirst(): Promise<void> {
  await inOrder([renewsBoth(), oneForOne(), diesInReload()])
}

/** The listens of all replacements are held back but for one: one old worker may go. */
async function oneForOne(): Promise<void> {
  await using program = await start({ workers: 3, fresh: true })
  const advice = { read: 'replace-first-then-retire', repeat: program.command }
  const old = program.atLeast(3)
  await giveNextForks(program, { holdListen: true })
  const since = program.lastSeq
  await giveOrder(program, 'POST /reload', advice)
  const held = await isHeld(program, since)
  await program.quiet(300)
  stillListen(program, old, since, 'its replacement did not listen yet')
  await program.tell(held.pid, { do: 'release' })
  await program.until(() => program.listening.find(({ pid }) => pid === held.pid), { within: seconds(5) })
  await program.quiet(300)
  const closing = new Set(signsOfLeaving(program, old, since).map(({ pid }) => pid)).size
  holds(closing <= 1, {
    ...advice,
    expected: 'when one of three replacements listens, one old worker goes, and the two others listen on',
    got: `${closing} of them stopped listening`,
    likely: 'the first replacement that listens is taken for all of them',
  })
  await giveNextForks(program, {})
  await isRenewed(program, old, 'when its replacements come to listen one after another')
}

/** A reload replaces those that it finds; one that dies before its turn comes is missing all the same. */
async function diesInReload(): Promise<void> {
  await using program = await start({ workers: 3, fresh: true })
  const advice = { read: 'replace-first-then-retire', repeat: program.command }
  const old = program.atLeast(3)
  await giveNextForks(program, { holdListen: true })
  const since = program.lastSeq
  await giveOrder(program, 'POST /reload', advice)
  await isHeld(program, since)
  for (const worker of old.slice(1)) await program.killOneWorker(worker)
  await giveNextForks(program, {})
  const living = (): number => program.workers.filter(({ state }) => state !== 'gone').length
  // One that has died may be replaced beside the reload, so there may be more.
  const isWhole = (): boolean => program.listening.length >= 3
  const anyOld = (): boolean => program.listening.some(({ pid }) => old.some((one) => one.pid === pid))
  await program.releaseListenUntil(() => isWhole() && !anyOld(), { within: seconds(20) })
  await program.quiet(500)
  holds(isWhole(), {
    ...advice,
    expected:
      'when a reload is over in which two of the three old workers died, WORKERS (3) workers listen, or more',
    got: `${living()} live, and ${program.listening.length} of them listen`,
    likely: 'deaths are left to the reload, which passes over those that have gone',
  })
}

async function renewsBoth(): Promise<void> {
  await using program = await start({ workers: 2, env: { SHUTDOWN_MS: '1000' }, fresh: true })
  const advice = { read: 'replace-first-then-retire', repeat: program.command }
  await keepsAdminToLoopback(program, 'the-contract')
  const old = twoOf(program)
  using _inFlight = await beginOnEach(program, old, '/slow?ms=600000', advice)
  await giveNextForks(program, { holdListen: true })
  const since = program.lastSeq
  await giveOrder(program, 'POST /reload', advice)
  await isHeld(program, since)
  await program.quiet(300)
  stillListen(program, old, since, 'its replacement did not listen yet')
  const again = await program.admin('/reload', reloadRequest)
  holds(again.ok && again.status === 409, {
    ...advice,
    expected: 'POST /reload answers 409 while a reload runs',
    got: describeAnswer(again),
  })
  await program.get('/', advice)
  await giveNextForks(program, {})
  const before = await program.usage()
  await isRenewed(program, old, 'though each has a request that never ends, and SHUTDOWN_MS is 1000')
  const longest = Math.max(...old.map((worker) => drainTime(program, worker)))
  holds(longest < 3_000 + takenBetween(before, await program.usage()), {
    ...advice,
    expected: 'an old worker drains for SHUTDOWN_MS (1000) at the most',
    got: `one lived for ${(longest / 1_000).toFixed(1)} s after it had begun to close`,
    likely: 'the drains of a reload have a deadline of their own',
  })
  await expect(program).toHaveForked(4, advice)
  await orderReload(program, 'replace-first-then-retire')
}

async function failedReload(): Promise<void> {
  await using program = await start({ workers: 2, fresh: true, muteWorkers: true })
  const advice = { read: 'a-reload-that-fails', repeat: program.command }
  const old = twoOf(program)
  const begun = program.lastSeq
  await giveNextForks(program, { env: { CRASH_ON_BOOT: '1' } })
  // As many as the budget has: they must not use it up.
  for (let nth = 1; nth <= 5; nth += 1) {
    const since = program.lastSeq
    if (nth === 1) await program.signal('SIGHUP')
    else await orderReload(program, 'replace-first-then-retire')
    const dead = await program.until(() => neverListened(program, since)[0], { within: seconds(10) })
    holds(dead?.goneAt !== undefined, {
      ...advice,
      expected:
        nth === 1
          ? 'SIGHUP starts a reload, which forks a worker'
          : 'after a failed reload comes the next one',
      got: 'no worker was forked',
    })
    const { goneAt } = dead
    const crashed = crashedSince(program, dead.pid, goneAt)
    const told = await program.until(() => saidSince(program, crashed), { within: seconds(3), alive: false })
    const refork = (): true | undefined => program.workers.some((one) => one.forkedAt > goneAt) || undefined
    // Long enough for the longest pause, the last time.
    const reforked = await program.until(() => refork() ?? (program.ended !== undefined || undefined), {
      within: nth === 5 ? seconds(3.3) : 100,
      alive: false,
    })
    holds(reforked === undefined, {
      ...advice,
      expected: 'when a replacement cannot start, the reload stops: nothing is forked for it any more',
      got: program.ended
        ? `the program ended with exit code ${program.ended.code}`
        : 'another worker was forked',
      likely: 'the death of a replacement is treated as a crash of a worker that has to be replaced',
    })
    holds(told !== undefined, {
      ...advice,
      expected: 'one line on either stream says that the reload has stopped',
      got: 'the primary printed nothing after the death (what workers print was kept apart)',
    })
  }
  stillListen(program, old, begun, 'no replacement came to listen')
  await program.get('/', advice)
  await oneMoreDeath(program)
  const survivors = program.listening
  await orderReload(program, 'replace-first-then-retire')
  await isRenewed(program, survivors, 'once they can start again')
}

/** After as many failed reloads as the budget has, a worker that never listens is the first in a row. */
async function oneMoreDeath(program: Program): Promise<void> {
  const { lostAfter } = await program.killOneWorker()
  const dead = (): true | undefined => neverListened(program, lostAfter).length > 0 || undefined
  await program.until(() => dead() ?? (program.ended !== undefined || undefined), {
    within: seconds(15),
    alive: false,
  })
  await giveNextForks(program, {})
  await program.until(() => program.listening.length >= 2 || program.ended !== undefined || undefined, {
    within: seconds(15),
    alive: false,
  })
  holds(program.ended === undefined && program.listening.length >= 2, {
    expected:
      'failed reloads do not count against the budget: after five of them, one worker that never listened is replaced',
    got:
      program.ended === undefined
        ? 'it was not replaced'
        : `the program ended with exit code ${program.ended.code}`,
    likely: 'the deaths of replacements are counted as well, and only the end is left to other workers',
    read: 'a-reload-that-fails',
    repeat: program.command,
  })
}

async function endInReload(): Promise<void> {
  await using program = await start({ workers: 2, env: { SHUTDOWN_MS: '5000' }, fresh: true })
  const read = 'end-on-a-signal'
  const workers = twoOf(program)
  using inFlight = await beginSlow(program, workers, read)
  await giveNextForks(program, { holdListen: true })
  const since = program.lastSeq
  await program.signal('SIGHUP')
  await isHeld(program, since)
  const second = await program.admin('/reload', reloadRequest)
  holds(second.ok && second.status === 409, {
    expected: 'POST /reload answers 409 while a reload runs, also one that SIGHUP has started',
    got: describeAnswer(second),
    likely: 'each way to start a reload has a flag of its own',
    read: 'replace-first-then-retire',
    repeat: program.command,
  })
  const end = await watchEnd(program)
  await program.signal('SIGTERM')
  await program.quiet(100)
  await program.releaseListen()
  for (const worker of workers) {
    await isAnswered(program, inFlight, worker, {
      what: 'at a SIGTERM in the middle of a reload',
      read,
      alive: false,
    })
  }
  await end.isGood(read)
}

const reloadRequest = { admin: true, method: 'POST' } as const

/** From when it began to close until it was gone, ms. */
function drainTime(program: Program, { pid }: Worker): number {
  const closing = program.eventsOf('server-closing').find((event) => event.pid === pid)?.at
  const gone = program.eventsOf('exit').find(({ workerPid }) => workerPid === pid)?.at
  return closing === undefined || gone === undefined ? 0 : gone - closing
}

/** Waits until the listen of a worker that the reload has forked is held; resolves to that event. */
async function isHeld(program: Program, since: number) {
  const held = await program.until(() => program.eventsOf('listen-held').find(({ seq }) => seq > since), {
    within: seconds(10),
  })
  holds(held !== undefined, {
    expected: 'a reload forks a new worker, which comes to its listen() within 10 s',
    got: 'none did, while the old ones listen',
    likely: 'the old worker has to drain first, or nothing listens for SIGHUP',
    read: 'replace-first-then-retire',
    repeat: program.command,
  })
  return held
}

/** That one of these workers has begun to close, or has ended, as it was told since then. */
function signsOfLeaving(program: Program, old: readonly Worker[], since: number) {
  return [...program.eventsOf('server-closing'), ...program.eventsOf('gone')]
    .filter(({ seq, pid }) => seq > since && old.some((worker) => worker.pid === pid))
    .toSorted((one, other) => one.seq - other.seq)
}

/** None of these workers has begun to close. */
function stillListen(program: Program, old: readonly Worker[], since: number, why: string): void {
  const [left] = signsOfLeaving(program, old, since)
  holds(left === undefined, {
    expected: 'an old worker listens until its replacement does',
    got: `one ${left?.type === 'gone' ? 'ended' : 'stopped listening'}, though ${why}`,
    likely: 'the old worker is disconnected when the new one is forked, or even before',
    read: 'replace-first-then-retire',
    repeat: program.command,
  })
}

async function isRenewed(program: Program, old: readonly Worker[], circumstance: string): Promise<void> {
  const leftOf = (): readonly Worker[] =>
    program.workers.filter(({ pid, state }) => state !== 'gone' && old.some((one) => one.pid === pid))
  const over = (): boolean => leftOf().length === 0 && program.listening.length >= old.length
  const renewed = await program.releaseListenUntil(over, { within: seconds(20), every: 100 })
  await program.mustBeAlive()
  const left = leftOf()
  holds(renewed === true, {
    expected: `a reload renews all ${old.length} workers within 20 s, ${circumstance}`,
    got: `${left.length} of the old ones live on, ${program.listening.length} workers listen`,
    likely: left.length > 0 ? 'the drains of a reload have no deadline' : undefined,
    read: 'replace-first-then-retire',
    repeat: program.command,
  })
}

// What they share

interface Exit {
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly code: number | null
  readonly signal: string | null
}

/** Milliseconds since the epoch, as in events. */
function now(): number {
  return performance.timeOrigin + performance.now()
}

/** Two workers that listen, the one that was forked first before the other. */
function twoOf(program: Program): readonly [Worker, Worker] {
  const [one, other] = program.atLeast(2)
  return [one, other]
}

/** Workers that were forked after this event, and died without having listened. */
function neverListened(program: Program, since: number): readonly Worker[] {
  return program.workers.filter(
    ({ forkedSeq, state, listeningAt }) => forkedSeq > since && state === 'gone' && listeningAt === undefined,
  )
}

/**
 * A worker that cannot boot dies at the end of its load, and may tell its primary so before it is gone. What is logged
 * of its fork, or of its being online, comes before that load. So from its middle on.
 */
function crashedSince(program: Program, pid: number, goneAt: number): number {
  const begun = [...program.eventsOf('fork'), ...program.eventsOf('online')]
    .filter(({ workerPid }) => workerPid === pid)
    .map(({ at }) => at)
  return begun.length === 0 ? goneAt : (Math.max(...begun) + goneAt) / 2
}

function saidSince(program: Program, at: number): true | undefined {
  return program.eventsOf('line').some((line) => line.at >= at && line.text.trim() !== '') || undefined
}

async function exitOf(program: Program, { pid }: Worker, within: number): Promise<Exit | undefined> {
  return program.until(() => program.eventsOf('exit').find(({ workerPid }) => workerPid === pid), { within })
}

/** A request on each of these workers that goes on for a second at least. */
async function beginSlow(
  program: Program,
  workers: readonly Worker[],
  read: string,
  { keepAlive = false, ms = 1_500, tries = 3 } = {},
): Promise<InFlight> {
  const begun = patientNow()
  const inFlight = await beginOnEach(program, workers, `/slow?ms=${ms}`, { read, keepAlive })
  if (patientNow() - begun < ms - 1_000) return inFlight
  inFlight[Symbol.dispose]()
  if (tries === 1)
    throw new Inconclusive('This machine is too busy: no request could be begun on each worker.')
  return beginSlow(program, workers, read, { keepAlive, ms: ms + 1_000, tries: tries - 1 })
}

/** The request in flight on this worker ends well. */
async function isAnswered(
  program: Program,
  inFlight: InFlight,
  worker: Worker,
  advice: {
    readonly what: string
    readonly likely?: string
    readonly read: string
    readonly alive?: boolean
  },
): Promise<void> {
  const { what, likely, read, alive = true } = advice
  const request = inFlight.of(worker)
  await program.until(() => request.over || request.failure !== undefined || undefined, {
    within: seconds(8),
    alive,
  })
  const status = request.head?.status
  holds(request.over && status === 200, {
    expected: `a request in flight ${what} is answered`,
    got:
      request.failure !== undefined
        ? `it was cut (${request.failure})`
        : status === undefined
          ? 'no answer came'
          : `it got ${status}${request.over ? '' : ', and no end'}`,
    likely,
    read,
    repeat: program.command,
  })
}

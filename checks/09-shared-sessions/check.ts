import {
  bitsOf,
  check,
  comeAgain,
  commandWithSession,
  describeAnswer,
  describeFailures,
  endsOnSigterm,
  expect,
  expectNoDeath,
  expectNoSession,
  Guest,
  holds,
  Inconclusive,
  inOrder,
  logIn,
  meetEveryWorker,
  note,
  patientNow,
  pause,
  refusesOddRequests,
  replaceByFolders,
  seconds,
  servesPages,
  sessionCookie,
  sideBySide,
  spoilFiles,
  start,
  tellsReadyOnce,
  startRedis,
  takenBetween,
  unlessHeldUp,
  workersUnderLoad,
  type Answer,
  type NoAnswer,
  type Program,
  type RedisServer,
} from '#harness'

const WORKERS = 2

check('every page is rendered for its visitor', async () => {
  await using program = await start()
  await servesPages(program, 'one-page-one-render')
})

check('a session holds on every worker', async () => {
  await using program = await start({ workers: WORKERS })
  await unlessHeldUp(program, () => holdsOnEveryWorker(program))
})

async function holdsOnEveryWorker(program: Program): Promise<void> {
  const read = 'why-sessions-break'
  const guest = await logIn(program, 'Zoë "漢字" %41', { read })
  const cookie = `theme=dark; xsid=nonsense; ${guest.cookie}; discount=100%; lang=en`
  const answers = await meetEveryWorker(program, '/me', { headers: { cookie }, read })
  const failures = describeFailures(answers)
  const nobody = answers.every((answer) => answer.status !== 200)
  holds(failures === '', {
    expected: 'a session that one worker has begun holds on all of them',
    got: `POST /login gave a cookie; of ${answers.length} answers to GET /me with it: ${failures}`,
    likely: nobody
      ? 'the cookie sid is not found among other cookies, or the session is not kept at all'
      : 'each worker keeps its sessions in its own memory: the next connection may meet another worker',
    read,
    repeat: commandWithSession(program),
  })
  await guest.visits({
    read: 'the-contract',
    likely: 'the name is cut or encoded on its way: JSON is UTF-8, and any text may be a name',
  })
}

check('wrong methods and bad bodies are refused, and nothing ends', async () => {
  await using program = await start()
  const read = 'refuse-what-you-do-not-serve'
  await refusesOddRequests(program, ['/', '/render', '/me'], read, ['POST /login', 'POST /cart'])
  for (const body of ['', '{', 'null', '[]', '"ada"', '{"user":7}', '{"item":{}}']) {
    const answer = await program.fetch('/login', {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json', 'content-length': String(body.length) },
    })
    holds(answer.ok && answer.status >= 400 && answer.status < 500, {
      expected: `POST /login with the body ${body || '(nothing)'}, which names no user, is refused with 400`,
      got: `it answered ${describeAnswer(answer)}`,
      likely: 'JSON.parse throws, and so does a property of null: both are the client’s mistake',
      read,
      repeat: program.commandWith('/login', 'POST'),
    })
  }
  await logIn(program, 'ada', { read })
  await expectNoDeath(program, read, 'an exception in a request listener ends the process')
})

check('the cookie is out of reach for scripts and other sites', async () => {
  await using program = await start({ workers: WORKERS })
  const read = 'the-cookie'
  const answer = await program.get('/login', {
    method: 'POST',
    body: '{"user":"ada"}',
    headers: { 'content-type': 'application/json' },
    status: 204,
    read,
  })
  const attributes = sessionCookie(answer)?.attributes
  const says = (name: string): string | undefined => attributes?.get(name)
  const advice = {
    expected: 'POST /login sets sid=…; Path=/; HttpOnly; SameSite=Lax',
    got: answer.headers['set-cookie']?.join(' | ').replace(/sid=[^;]+/, 'sid=…') ?? 'no set-cookie header',
    read,
    repeat: commandWithSession(program),
  }
  holds(says('httponly') !== undefined, {
    ...advice,
    likely: 'without HttpOnly any script in the page can read the id and send it away',
  })
  holds(says('path') === '/', {
    ...advice,
    likely: 'without Path=/ a browser takes the folder of the path that set the cookie',
  })
  holds(says('samesite')?.toLowerCase() === 'lax', {
    ...advice,
    likely: 'SameSite=Lax keeps the cookie from requests that another site makes, but for plain links to you',
  })
  holds(says('secure') === undefined, {
    ...advice,
    likely: 'this service speaks plain HTTP, over which a client does not send a cookie that is Secure',
  })
})

check('a forged id is refused, and never adopted', async () => {
  await using program = await start({ workers: WORKERS })
  await unlessHeldUp(program, () => neverAdopts(program))
})

const FORGED = [
  '',
  'ada',
  'undefined',
  '__proto__',
  'constructor',
  '1',
  '../../etc/passwd',
  '%00',
  'session:ada',
  '*',
  '{"$gt":""}',
  'deadbeef'.repeat(4),
  '0b0f8e0e-3c3d-4a0a-9a57-0f5c0b5f3f3f',
  'x'.repeat(3_000),
]

async function neverAdopts(program: Program): Promise<void> {
  const read = 'ids-that-nobody-can-guess'
  await logIn(program, 'ada', { read })
  await Promise.all(
    FORGED.map(async (id) => {
      const forged = new Guest(program, 'ada', id)
      const shown = id.length > 40 ? `${id.slice(0, 40)}…` : id
      await expectNoSession(forged, `an id that this service never gave, sid=${shown}, is refused`, {
        likely: 'anything that is found under a key counts as a session, or an error is taken for an answer',
        read,
      })
      const guest = await logIn(program, 'eve', { cookie: forged.cookie, read })
      holds(guest.sid !== id, {
        expected: 'POST /login makes an id of its own, whatever cookie comes with it',
        got: `it took sid=${shown} from the client`,
        likely:
          'an attacker plants an id that they know, waits for the login, and shares the session (fixation)',
        read,
        repeat: commandWithSession(program),
      })
      await expectNoSession(forged, `sid=${shown} is refused after a login that came with it, too`, {
        likely: 'the session is kept under the id that came with the request',
        read,
      })
    }),
  )
  await expectNoDeath(program, read, 'an id of the client is used as a key, and not every text can be one')
}

check('a login gives a new id, and ends the old session', async () => {
  await using program = await start({ workers: WORKERS })
  await unlessHeldUp(program, () => rotates(program))
})

async function rotates(program: Program): Promise<void> {
  const read = 'a-new-id-at-every-login'
  const before = await logIn(program, 'ada', { read })
  const elsewhere = await logIn(program, 'ada', { read })
  await before.visits({ read })
  const after = await logIn(program, 'grace', { cookie: before.cookie, read })
  holds(new Set([before.sid, elsewhere.sid, after.sid]).size === 3, {
    expected: 'every login gives a new id, also to a client that has one',
    got: 'the id stays the same',
    likely: 'the id is made from the user’s name, or the one that the client has is used again',
    read,
    repeat: commandWithSession(program),
  })
  await expectNoSession(before, 'the id that a client had before it logged in again is void', {
    likely: 'the new session is made, and the old one is left in the store',
    read,
  })
  await after.visits({ read })
  // One user has many devices.
  for (let more = 0; more < 5; more += 1) await logIn(program, 'ada', { read })
  await elsewhere.visits({
    expected:
      'another session of the same user goes on: a login ends the one that came with it, and no other',
    likely: 'sessions are kept by the user’s name, or the oldest of a user goes when there are many',
    read,
  })
}

check('an id has 128 random bits', async () => {
  const read = 'ids-that-nobody-can-guess'
  const advice = { expected: 'ids of 128 random bits or more, from node:crypto', read }
  const [{ ids, repeat }, first, second] = await Promise.all([idsOfMany(), idsWithSeed(), idsWithSeed()])
  holds(new Set(ids).size === ids.length, {
    ...advice,
    repeat,
    got: `an id was given twice, among ${ids.length} logins of the same user`,
    likely: 'the id is made of the time, of a counter in each worker, or of too few random bits',
  })
  holds(!comeAgain(first, second), {
    ...advice,
    repeat: repeat.replace('node --import', 'node --random-seed=1 --import'),
    got: 'ids that come again when the program starts again with the same seed for Math.random',
    likely:
      'they come from Math.random, whose next numbers can be computed from some before, or from a counter',
  })
  const bits = bitsOf(ids)
  holds(bits > 127, {
    ...advice,
    repeat,
    got: `at most ${Math.ceil(bits)} bits that change from id to id, such as ${ids[0]?.slice(0, 60)}`,
    likely:
      bits > 121.5 && bits < 123
        ? 'a UUID of version 4 has 122 random bits: six are fixed'
        : 'a counter, the time, or too few random bytes: crypto.randomBytes(16) gives 128 bits',
  })
})

/** Of one user, as many at a time as bring logins into the same millisecond. */
async function idsOfMany(): Promise<{ readonly ids: readonly string[]; readonly repeat: string }> {
  await using program = await start({ workers: WORKERS })
  const ids: string[] = []
  const client = async (): Promise<void> => {
    while (ids.length < 400)
      ids.push((await logIn(program, 'ada', { read: 'ids-that-nobody-can-guess' })).sid)
  }
  await Promise.all(Array.from({ length: 12 }, client))
  return { ids, repeat: commandWithSession(program) }
}

/** One worker, one login after another: what is drawn from Math.random is drawn in the same order each time. */
async function idsWithSeed(): Promise<readonly string[]> {
  await using program = await start({ workers: 1, randomSeed: 1, fresh: true })
  const ids: string[] = []
  while (ids.length < 8) ids.push((await logIn(program, 'ada', { read: 'ids-that-nobody-can-guess' })).sid)
  return ids
}

check('visits and additions in parallel are counted exactly', async () => {
  await using program = await start({ workers: WORKERS })
  await unlessHeldUp(program, () => countsExactly(program))
})

const ADDITIONS = 200
const VISITS = 60

async function countsExactly(program: Program): Promise<void> {
  const read = 'read-modify-write'
  const [ada, grace] = await Promise.all([logIn(program, 'ada', { read }), logIn(program, 'grace', { read })])
  const within = seconds(30)
  const answers = await Promise.all([
    ...Array.from({ length: ADDITIONS }, (_, index) => ada.add(`book ${index}`, { within })),
    ...Array.from({ length: VISITS }, () => ada.me({ within })),
    ...Array.from({ length: VISITS }, () => grace.add('a pen', { within })),
  ])
  const failures = describeFailures(answers)
  holds(failures === '', {
    expected: `${answers.length} requests of two sessions at once are answered with 200`,
    got: failures,
    likely: 'the store gives up when several write at once: a transaction waits for its turn',
    read,
    repeat: commandWithSession(program),
  })
  const told = (what: string, expected: number, got: number): void => {
    holds(got === expected, {
      expected: `${expected - 1} ${what} at once, over connections of their own, and one more: ${expected}`,
      got: `${got}`,
      likely:
        got < expected
          ? 'two workers read the same number, and each writes it back with its own one added'
          : 'something is counted twice, or two sessions share what they count',
      read,
      repeat: commandWithSession(program),
    })
  }
  told('additions to a cart', ADDITIONS + 1, await ada.items({ read }))
  told('visits', VISITS + 1, await ada.visits({ read }))
  told('additions to another cart', VISITS + 1, await grace.items({ read }))
}

check('a logout holds everywhere at once', async () => {
  await using program = await start({ workers: WORKERS })
  await unlessHeldUp(program, () => logsOutEverywhere(program))
})

async function logsOutEverywhere(program: Program): Promise<void> {
  const read = 'logout-everywhere'
  const [guest, other] = await Promise.all([logIn(program, 'ada', { read }), logIn(program, 'ada', { read })])
  const headers = { cookie: guest.cookie }
  // Each worker has seen the session, and may remember it.
  await meetEveryWorker(program, '/me', { headers, read })
  const out = await guest.logOut()
  holds(out.ok && out.status === 204, {
    expected: 'POST /logout answers 204',
    got: `it answered ${describeAnswer(out)}`,
    read: 'the-contract',
    repeat: commandWithSession(program),
  })
  const after = [
    ...(await Promise.all(Array.from({ length: 12 }, () => guest.me()))),
    ...(await meetEveryWorker(program, '/me', { headers, read })),
    await guest.add(),
  ]
  const failures = describeFailures(after, 401)
  holds(failures === '', {
    expected: 'once POST /logout is answered, every worker refuses the session with 401',
    got: `of ${after.length} requests after it: ${failures}`,
    likely:
      'a worker trusts its own copy of the session, or the answer goes out before the store has removed it',
    read,
    repeat: commandWithSession(program),
  })
  for (let round = 0; round < 5; round += 1)
    await Promise.all([logsOutInTheMiddle(program), logsOutInTheMiddle(program)])
  await other.visits({
    expected: 'a logout ends one session; another one of the same user goes on',
    likely: 'sessions are kept by the user’s name',
    read,
  })
}

/** The session is in use while it ends: those in flight may be answered either way, and bring nothing back. */
async function logsOutInTheMiddle(program: Program): Promise<void> {
  const read = 'logout-everywhere'
  const guest = await logIn(program, 'ada', { read })
  const visits = (): Promise<unknown> => Promise.all(Array.from({ length: 20 }, () => guest.me()))
  const [, out] = await Promise.all([visits(), guest.logOut(), visits()])
  const after = await Promise.all([guest.me(), guest.me(), guest.add()])
  const failures = describeFailures(after, 401)
  holds(failures === '' || !out.ok || out.status !== 204, {
    expected: 'a session that was in use while POST /logout came is void when all is answered',
    got: `of ${after.length} requests after it: ${failures}`,
    likely: 'a request reads the session before the logout, and writes it back afterwards',
    read,
    repeat: commandWithSession(program),
  })
}

const slowly = sideBySide({
  expires: () => expiresUnused(),
  survives: () => survivesDeaths(),
  refuses: () => refusesBrokenStores(),
})

check('a session ends when it is not used, and not before', async () => {
  await slowly.expires()
})

const TTL_MS = 1_900
/** A store may count in whole seconds, and look once a second. */
const LATE_MS = 1_000
/** A session is asked for so long before its end. */
const SHORTLY_MS = 400

async function expiresUnused(redis?: RedisServer): Promise<void> {
  await using program = await start({
    workers: WORKERS,
    env: { SESSION_TTL_MS: String(TTL_MS) },
    ...(redis && { redis: redis.url }),
  })
  const read = 'a-session-ends-by-itself'
  const setting = `SESSION_TTL_MS=${TTL_MS}`
  for (let tries = 0; ; tries += 1) {
    const visitor = await logIn(program, 'ada', { read })
    const buyer = await logIn(program, 'alan', { read })
    const idle = await logIn(program, 'grace', { read })
    const slide = { setting, read }
    const slid = [
      slides(visitor, () => visitor.me(), '/me', slide),
      slides(buyer, () => buyer.add(), '/cart', slide),
      livesToTheEnd(program, slide),
      livesToTheEnd(program, { ...slide, usedAfter: TTL_MS * 0.4 }),
    ]
    await inOrder(slid)
    if (!(await Promise.all(slid)).includes(false)) {
      const since = performance.now()
      await pause(TTL_MS + LATE_MS)
      // Real time: the program's clock does not stand still while this process cannot run.
      if (performance.now() - since < TTL_MS + LATE_MS) continue
      for (const guest of [visitor, buyer]) {
        await expectNoSession(guest, `with ${setting} a session that was not used for longer is refused`, {
          likely: 'nothing takes the end of a session into account, or every use of any session puts it off',
          read,
        })
      }
      await expectNoSession(
        idle,
        `with ${setting} a session that was never used is refused after that time`,
        {
          likely: 'the expiry is set at a use, and not at the login',
          read,
        },
      )
      return
    }
    if (tries === 4)
      throw new Inconclusive(
        'Five times, this machine stood still for longer than a session lives, so that its end was right.',
      )
  }
}

/**
 * Uses a session in one way only, for longer than it would live unused. False where this machine let too much time
 * pass between.
 */
async function slides(
  { program }: Guest,
  use: () => Promise<Answer | NoAnswer>,
  path: '/me' | '/cart',
  { setting, read }: { readonly setting: string; readonly read: string },
): Promise<boolean> {
  const begun = performance.now()
  let last = begun
  while (performance.now() - begun < TTL_MS + LATE_MS + 200) {
    const sent = performance.now()
    const answer = await use()
    const now = performance.now()
    if (!answer.ok || answer.status !== 200) {
      await program.mustBeAlive()
      if (now - last >= TTL_MS) return false
      const age = Math.round(now - begun)
      holds(false, {
        expected: `with ${setting} a session that is used every 200 ms lives on: each use of /me or /cart puts its end off, here of ${path}`,
        got: `${age} ms after the login it answered ${describeAnswer(answer)}`,
        likely:
          'the expiry is set once, at the login, or the setting is taken for something else than milliseconds',
        read,
        repeat: commandWithSession(program),
      })
    }
    last = sent
    await pause(200)
  }
  return true
}

/**
 * Asks for a session just before its end, which was not used after the login, or only once, so many ms after it. False
 * where this machine let too much time pass for that to tell anything.
 */
async function livesToTheEnd(
  program: Program,
  {
    setting,
    read,
    usedAfter,
  }: { readonly setting: string; readonly read: string; readonly usedAfter?: number },
): Promise<boolean> {
  let lastUse = performance.now()
  const guest = await logIn(program, 'tim', { read })
  if (usedAfter !== undefined) {
    await pause(usedAfter)
    if (performance.now() - lastUse >= TTL_MS) return false
    lastUse = performance.now()
    await guest.me()
  }
  await pause(TTL_MS - SHORTLY_MS - (performance.now() - lastUse))
  const answer = await guest.me()
  const age = Math.round(performance.now() - lastUse)
  if (answer.ok && answer.status === 200) return true
  await program.mustBeAlive()
  if (age >= TTL_MS) return false
  holds(false, {
    expected: `with ${setting} a session lives for as long after its last use, and no shorter`,
    got: `${age} ms after ${usedAfter === undefined ? 'the login' : `a use that came ${usedAfter} ms after the login`} GET /me answered ${describeAnswer(answer)}`,
    likely:
      usedAfter === undefined
        ? 'the setting is cut to whole seconds, or a part of the time is taken off'
        : 'not every use puts the end off, but only one that comes late in the life of a session',
    read,
    repeat: commandWithSession(program),
  })
  return true
}

check('sessions survive the death of a worker, and a restart', async () => {
  await slowly.survives()
})

async function survivesDeaths(redis?: RedisServer): Promise<void> {
  const read = 'what-outlives-whom'
  const options = { workers: WORKERS, fresh: true, ...(redis && { redis: redis.url }) }
  await using first = await start(options)
  const guest = await logIn(first, 'ada', { read })
  const others = await Promise.all(['bob', 'eve', 'ida', 'joe'].map((user) => logIn(first, user, { read })))
  const goesOn = async (program: Program, after: string, visits: number): Promise<void> => {
    const back = guest.at(program)
    const likely = redis
      ? 'what is not in Redis dies with its process'
      : 'the store is in the memory of a process, or is written to the disk some time later'
    const expected = `${after}, GET /me with the same cookie answers visits: ${visits}`
    const got = await back.visits({ expected, likely, read })
    holds(got === visits, {
      expected,
      got: `visits: ${got}`,
      likely,
      read,
      repeat: commandWithSession(program),
    })
    const items = await back.items({ expected: `${after}, the cart is still there`, likely, read })
    holds(items === visits, {
      expected: `${after}, the cart holds ${visits} items`,
      got: `${items}`,
      likely,
      read,
      repeat: commandWithSession(program),
    })
  }
  await goesOn(first, 'after the login', 1)
  for (const worker of first.listening) {
    const lost = await first.killOneWorker(worker)
    await expect(first).toReplace(lost, { within: seconds(5), read })
  }
  await goesOn(first, 'after SIGKILL to each worker that knew the session', 2)
  await tellsReadyOnce(first, WORKERS, 'the-contract')
  await first.signal('SIGTERM')
  await expect(first).toEnd({ within: seconds(10), read: 'the-end-of-the-program' })
  await expect(first).toLeaveNoProcess({ within: seconds(10), read: 'the-end-of-the-program' })
  const again = { ...options, dataDir: first.identity.dataDir }
  await using second = await start(again)
  await goesOn(second, 'after SIGTERM and a new start with the same store', 3)
  await second.signal('SIGKILL', 'group')
  await expect(second).toLeaveNoProcess({ within: seconds(10), read })
  await using third = await start({ ...again, workers: WORKERS + 1 })
  await goesOn(third, `after SIGKILL to every process and a new start with ${WORKERS + 1} workers`, 4)
  for (const other of others) {
    const expected = `every session outlives that, whose store served ${WORKERS} workers and now ${WORKERS + 1}`
    await other
      .at(third)
      .visits({ expected, likely: 'where a session lies depends on the number of workers', read })
  }
}

check('a store that cannot be opened ends the program', async () => {
  await slowly.refuses()
})

async function refusesBrokenStores(): Promise<void> {
  await using program = await start({ workers: WORKERS, fresh: true })
  await logIn(program, 'ada', { read: 'fail-loudly' })
  await program.signal('SIGTERM')
  await expect(program).toEnd({ within: seconds(10), read: 'the-end-of-the-program' })
  // A worker that lives on for a moment has the file in its memory, and could write it whole again.
  await expect(program).toLeaveNoProcess({ within: seconds(10), read: 'the-end-of-the-program' })
  const folder = program.identity.dataDir
  // In this order, since the second finds no more files.
  if (spoilFiles(folder) > 0) {
    await endsWithALine(folder, 'its files in DATA_DIR hold something else than a store')
    replaceByFolders(folder)
    await endsWithALine(folder, 'DATA_DIR has folders where its files should be')
  } else {
    note('It keeps no file in DATA_DIR, so none could be spoilt.')
  }
}

async function endsWithALine(dataDir: string, when: string): Promise<void> {
  await using program = await start({ workers: WORKERS, dataDir, unready: true, fresh: true })
  const advice = {
    expected: `when ${when}, a line on stderr names the folder, and the program ends with exit code 1 within 10 s`,
    read: 'fail-loudly',
    repeat:
      'mkdir -p /tmp/bad && head -c 65536 /dev/zero | tr "\\0" x > /tmp/bad/data.mdb; ' +
      program.command.replace('PORT', 'DATA_DIR=/tmp/bad PORT'),
  }
  // A fork too many is enough to know.
  const excess = (): true | undefined => program.workers.length > WORKERS || undefined
  await program.until(() => program.ended ?? excess(), { within: seconds(10), alive: false })
  const { ended } = program
  const forks = program.workers.length
  const died = program.eventsOf('exit').map(({ code, signal }) => signal ?? `exit code ${code}`)
  holds(ended !== undefined, {
    ...advice,
    got: `it still runs; ${forks} workers were forked, and ${died.length} of them ended${died[0] === undefined ? '' : ` (${died[0]})`}`,
    likely:
      forks > WORKERS
        ? 'a worker that cannot open the store dies, and is replaced, again and again'
        : 'the error is caught and forgotten, or the store is opened at the first request only',
  })
  holds(ended.code === 1, {
    ...advice,
    got: ended.signal === null ? `it ended with exit code ${ended.code}` : `it was killed by ${ended.signal}`,
    likely:
      ended.signal === null
        ? undefined
        : 'lmdb takes its process down where the file is none of its own: open it in a worker, and let the primary tell',
  })
  holds(forks <= WORKERS, {
    ...advice,
    got: `${forks} workers were forked for ${WORKERS}`,
    likely: 'no new worker can open what the first could not',
  })
  const named = (): true | undefined =>
    program.lines('stderr').some((line) => line.includes(dataDir)) || undefined
  holds((await program.until(named, { within: seconds(2), alive: false })) === true, {
    ...advice,
    got: program.lines('stderr').some((line) => line.trim() !== '')
      ? `on stderr: ${program
          .lines('stderr')
          .filter((line) => line.trim() !== '')
          .slice(0, 4)
          .join(' | ')
          .slice(0, 300)}`
      : 'it ended without a word on stderr',
    likely: 'lmdb’s own message names no path: say which folder it was',
  })
}

check('all of it holds on Redis', async () => {
  await using redis = await startRedis()
  {
    await using program = await start({ workers: WORKERS, redis: redis.url })
    for (const story of [holdsOnEveryWorker, neverAdopts, rotates, countsExactly, logsOutEverywhere]) {
      await unlessHeldUp(program, () => story(program))
    }
    await keepsKeysAndNamesThem(program, redis)
  }
  await Promise.all([expiresUnused(redis), survivesDeaths(redis)])
})

async function keepsKeysAndNamesThem(program: Program, redis: RedisServer): Promise<void> {
  const kept = await redis.ask('DBSIZE')
  holds(!kept.startsWith(':0'), {
    expected: 'with REDIS_URL set, sessions are in Redis',
    got: 'Redis holds no key while somebody is logged in',
    likely: 'REDIS_URL is not read, or read under another name',
    read: 'redis',
    repeat: commandWithSession(program),
  })
  const asked = await redis.commands()
  const scans = asked.get('keys') ?? 0
  holds(scans === 0, {
    expected: 'no request looks through all keys',
    got: `Redis was asked for KEYS ${scans} times`,
    likely: 'KEYS goes through the whole data base, and everybody waits meanwhile: name the key',
    read: 'redis',
    repeat: commandWithSession(program),
  })
}

check('without Redis it is 503, and back to normal when it returns', async () => {
  await using redis = await startRedis()
  await using program = await start({ workers: WORKERS, redis: redis.url, fresh: true })
  const read = 'when-the-store-is-away'
  const guests: Guests = [
    await logIn(program, 'ada', { read }),
    await logIn(program, 'eve', { read }),
    await logIn(program, 'tim', { read }),
  ]
  const [guest] = guests
  {
    await using _stalled = await redis.stall()
    await is503(program, guests, 'Redis hangs: it is connected, and answers nothing')
  }
  await comesBack(program, () => guest.me(), 200, 'GET /me with the cookie from before')
  await redis.kill()
  await is503(program, guests, 'Redis is gone: it refuses connections')
  for (const path of ['/render?visitor=ada', '/']) {
    await program.get(path, {
      expected: 'pages are served while Redis is gone',
      likely: 'what needs no session waits for the store all the same',
      read,
    })
  }
  await expectNoDeath(program, read, "without an 'error' listener, a client of Redis ends its process")
  await redis.run()
  const back = patientNow()
  await comesBack(program, () => guest.me(), 401, 'GET /me (Redis is back empty)')
  await servesNewGuests(program, back)
  await expectNoDeath(program, read, "without an 'error' listener, a client of Redis ends its process")
})

/** Each worker has its time to find Redis again: this may meet another one than what was asked before. */
async function servesNewGuests(program: Program, since: number): Promise<void> {
  const read = 'when-the-store-is-away'
  for (;;) {
    try {
      await (await logIn(program, 'grace', { read })).visits({ read })
      return
    } catch (error) {
      if (patientNow() - since > seconds(5)) throw error
    }
    await pause(100)
  }
}

/** Some rounds of each route, so that every worker has met the outage. */
async function is503(program: Program, [guest, leaving, returning]: Guests, when: string): Promise<void> {
  const read = 'when-the-store-is-away'
  const options = { within: seconds(6) }
  for (let round = 0; round < 2; round += 1) {
    const before = await program.usage()
    const asked = await Promise.all([
      told('GET /me', guest.me(options)),
      told('GET /me', guest.me(options)),
      told('POST /cart', guest.add('a book', options)),
      told('POST /cart', guest.add('a pen', options)),
      // Both may be done when Redis is back, so they come with sessions that are of no use then.
      told('POST /logout', leaving.logOut(options)),
      told('POST /login', returning.logInAgain(options)),
      told('POST /login without a cookie', logInFirst(program, options)),
    ])
    const allowed = Math.min(seconds(2) + takenBetween(before, await program.usage()), seconds(5.9))
    await program.mustBeAlive()
    for (const [what, answer] of asked) {
      if (answer.ok && answer.status === 503 && answer.ms <= allowed) continue
      holds(false, {
        expected: `${when}, so ${what} answers 503 within 2 s`,
        got: `${answer.ok ? 'it answered ' : ''}${describeAnswer(answer)}, after ${(answer.ms / 1000).toFixed(1)} s`,
        likely: likelyOutage(answer),
        read,
        repeat: commandWithSession(program),
      })
    }
  }
}

function logInFirst(program: Program, options: { readonly within: number }): Promise<Answer | NoAnswer> {
  const headers = { 'content-type': 'application/json', 'content-length': '14' }
  return program.fetch('/login', { ...options, method: 'POST', body: '{"user":"new"}', headers })
}

type Guests = readonly [guest: Guest, leaving: Guest, returning: Guest]

async function told<Result>(what: string, answer: Promise<Result>): Promise<readonly [string, Result]> {
  return [what, await answer]
}

function likelyOutage(answer: Answer | NoAnswer): string {
  if (!answer.ok && answer.code !== 'timeout')
    return 'the worker ended: an error of the store has no listener'
  if (!answer.ok || answer.status === 503)
    return 'commands wait until Redis is back (the client’s offline queue), or for an answer without a deadline'
  if (answer.status === 401) return 'an error of the store is taken for “there is no such session”'
  return 'an error of the store is not told from other errors'
}

async function comesBack(
  program: Program,
  ask: () => Promise<Answer | NoAnswer>,
  status: number,
  what: string,
): Promise<void> {
  const since = patientNow()
  let last: Answer | NoAnswer | undefined
  const back = await program.eventually(
    async () => {
      last = await ask()
      return (last.ok && last.status === status) || undefined
    },
    { within: seconds(5), every: 100 },
  )
  holds(back === true, {
    expected: `within 5 s of the return of Redis, ${what} answers ${status}`,
    got: `after ${((patientNow() - since) / 1000).toFixed(0)} s it answers ${last === undefined ? 'nothing' : describeAnswer(last)}`,
    likely: 'the client has stopped trying, or waits too long between two attempts',
    read: 'when-the-store-is-away',
    repeat: commandWithSession(program),
  })
}

check('the workers share the load', async () => {
  await using program = await start({ workers: workersUnderLoad() })
  const { cookie } = await logIn(program, 'ada', { read: 'sharing-the-load' })
  await expect(program).toGetShare(0.5, { read: 'sharing-the-load', headers: { cookie } })
})

check('SIGTERM ends the program', async () => {
  await using program = await start()
  await endsOnSigterm(program, 'the-end-of-the-program')
})

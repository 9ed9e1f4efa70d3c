import {
  addressesOf,
  allocate,
  beginOnEach,
  blameFor,
  check,
  connectToEveryWorker,
  crash,
  describeAnswer,
  describeFailures,
  drawLots,
  endsWhileOneStarts,
  evaluateAt,
  expect,
  giveNextForks,
  giverOf,
  giveOrder,
  hang,
  heapGrowth,
  holds,
  inOrder,
  Inconclusive,
  isLoopback,
  isReachableOffLoopback,
  jsonLine,
  jsonOf,
  keepAsking,
  keptConnection,
  killNextFork,
  Mismatch,
  note,
  openRaw,
  openRequest,
  orderReload,
  patientNow,
  pause,
  refusesOddRequests,
  reject,
  requestLine,
  seconds,
  servesPages,
  sideBySide,
  start,
  withoutCutByNode,
  startReference,
  stop,
  takenBetween,
  tellsReadyOnce,
  unlessTakenForHung,
  workersListed,
  workersUnderLoad,
  type Answer,
  type Hit,
  type JsonLine,
  type LostWorker,
  type NoAnswer,
  type Program,
  type Start,
  type Worker,
} from '#harness'

/** HANG_MS where a worker hangs, and MAX_RSS_MB where one grows. */
const HANG = seconds(2)
const MAX_RSS_MB = 400

/** Starts a program for this story. It looks for hung workers, and a busy machine may make it see some. */
async function watched(options: Start, story: (program: Program) => Promise<void>): Promise<void> {
  await using program = await start(options)
  await unlessTakenForHung(program, Number(options.env?.HANG_MS ?? HANG), () => story(program))
}

/** For what is not about hung workers. */
const calm = { HANG_MS: '10000' }

check('every page is rendered for its visitor', async () => {
  await watched({}, async (program) => {
    await servesPages(program, 'one-page-one-render')
  })
})

check('unknown paths and wrong methods are refused, and nothing ends', async () => {
  await watched({}, async (program) => {
    await refusesOddRequests(program, ['/', '/render', '/anchor', '/slow'], 'refuse-what-you-do-not-serve')
  })
})

check('each request leaves one line of JSON, with the id that its answer carries', async () => {
  await watched({}, async (program) => {
    const read = 'logs-that-can-be-joined'
    const asked = [
      { method: 'GET', path: '/?log=1', status: 200 },
      { method: 'GET', path: '/render?visitor=log-2', status: 200 },
      { method: 'GET', path: '/slow?ms=300&log=3', status: 200 },
      { method: 'GET', path: '/nowhere?log=4', status: 404 },
      { method: 'DELETE', path: '/render?log=5', status: 405 },
    ]
    // So old that the age of its processes is not taken for the time of a request.
    const youngest = Math.max(...program.listening.map(({ listeningAt = 0 }) => listeningAt))
    await pause(Math.max(0, youngest + 1_500 - Date.now()))
    const before = await program.usage()
    const answers = await Promise.all(
      asked.map(({ method, path, status }, index) => {
        const headers = { 'x-request-id': `Check_${index}-${'i'.repeat(index === 1 ? 120 : 3)}` }
        return program.get(path, { method, status, headers, read })
      }),
    )
    for (const [index, answer] of answers.entries()) {
      const { method = '', path = '', status = 0 } = asked[index] ?? {}
      const sent = `Check_${index}-${'i'.repeat(index === 1 ? 120 : 3)}`
      isEchoed(program, answer, sent)
      const advice = { read, repeat: program.commandWith(path, method) }
      const { line, text } = await requestLine(program, path, advice)
      const { worker, pid } = giverOf(program, answer, 'the-contract')
      const due = { pid, worker, requestId: sent, method, url: path, status }
      for (const [name, value] of Object.entries(due)) {
        holds(line[name] === value, {
          ...advice,
          expected: `the line of ${method} ${path} has "${name}": ${JSON.stringify(value)}`,
          got: text,
        })
      }
      const taken = takenBetween(before, await program.usage())
      looksRight(program, { line, text, path, most: answer.ms + taken + 500 })
    }
  })
})

/** What has no one value: when, how long (`most`: ms that the client waited, and some more), how grave. */
function looksRight(
  program: Program,
  {
    line,
    text,
    path,
    most,
  }: { readonly line: JsonLine; readonly text: string; readonly path: string; readonly most: number },
): void {
  const { time, level, ms } = line
  const at = typeof time === 'string' ? Date.parse(time) : time
  // A timer may be a millisecond early.
  const least = path.startsWith('/slow') ? 295 : 0
  const wrong =
    typeof at !== 'number' || !(Math.abs(at - Date.now()) < seconds(300))
      ? '"time" is no ISO 8601 string (or ms since 1970) of just now'
      : typeof level !== 'number' && (typeof level !== 'string' || level === '')
        ? '"level" is missing'
        : typeof ms !== 'number' || !(ms >= least && ms <= most)
          ? `"ms" is no number of milliseconds that fits ${path}`
          : undefined
  holds(wrong === undefined, {
    expected:
      'one line of JSON for each request: { time, level, pid, worker, requestId, method, url, status, ms }',
    got: `${wrong}: ${text}`,
    read: 'logs-that-can-be-joined',
    repeat: program.commandWith(path),
  })
}

function isEchoed(program: Program, answer: Answer, sent: string): void {
  const echoed = answer.headers['x-request-id']
  holds(echoed === sent, {
    expected: `a request with x-request-id: ${sent} is answered with the same header (letters, digits, - and _, up to 128)`,
    got: echoed === undefined ? 'no such header' : `x-request-id: ${String(echoed)}`,
    likely: echoed === undefined ? 'the answer is not told the id: response.setHeader' : undefined,
    read: 'logs-that-can-be-joined',
    repeat: program.commandWith('/').replace('curl', `curl -H 'x-request-id: ${sent}'`),
  })
}

/** Ids that nobody may find in a log as they are, and what is wrong with them. */
const HOSTILE_IDS: readonly (readonly [id: string, why: string])[] = [
  ['x","injected":"yes', 'quotes end the string, and what follows becomes part of the line'],
  ['i'.repeat(129), 'it is longer than 128 characters'],
  ['two words', 'a space ends a field in many tools that read logs'],
  ['tab\there', 'a tab ends a field in many tools that read logs'],
  ['<script>alert(1)</script>', 'a page that shows the log would run it'],
  ['$(reboot)', 'a shell that is given it would run it'],
  ['back\\slash', 'a backslash escapes what comes after it'],
  ['\u00fcml\u00e4ut', 'its bytes mean something else in another encoding'],
  ['ok-at-first\u00e9', 'only its beginning is safe'],
  ['', 'an empty id joins nothing'],
]

check('an id that is not safe is replaced by a fresh one, and reaches no line', async () => {
  await watched({ fresh: true, workers: 2 }, async (program) => {
    const read = 'ids-that-strangers-choose'
    const fresh = new Set<string>()
    for (const [index, [id, why]] of HOSTILE_IDS.entries()) {
      const path = `/?hostile=${index}.`
      const advice = {
        read,
        repeat: program.commandWith(path).replace('curl', `curl -H 'x-request-id: ${id.slice(0, 40)}'`),
      }
      const answer = await program.get(path, { headers: { 'x-request-id': id }, ...advice })
      const given = answer.headers['x-request-id']
      const expected = `x-request-id: ${id.length > 60 ? `${id.slice(0, 8)}… (${id.length} characters)` : id} is not taken over: ${why}`
      holds(
        typeof given === 'string' &&
          given !== id &&
          given !== id.slice(0, 128) &&
          /^[\w.:/+=@~-]{1,128}$/.test(given),
        {
          ...advice,
          expected,
          got:
            given === undefined
              ? 'an answer without x-request-id'
              : `the answer has x-request-id: ${String(given).slice(0, 140)}`,
        },
      )
      const { line, text } = await requestLine(program, path, advice)
      holds(line.requestId === given && line.injected === undefined, {
        ...advice,
        expected: `the line has the id of the answer, ${given}`,
        got: text,
      })
      fresh.add(given)
    }
    // Two workers that count from 1 would give the same ids, and so would one that takes the place of another.
    await idsAreFresh(program, fresh, 'whichever worker answers')
    const [lost] = program.atLeast(2)
    await expect(program).toReplace(await kills(program, lost), { within: seconds(8), read: 'the-contract' })
    await idsAreFresh(program, fresh, 'after a worker was killed, too')
    await urlIsEscaped(program)
  })
})

/** Asks each worker some times without an id. What it gives is none of `seen`, and is added there. */
async function idsAreFresh(program: Program, seen: Set<unknown>, when: string): Promise<void> {
  const read = 'ids-that-strangers-choose'
  using connections = await connectToEveryWorker(program, read)
  for (const worker of program.listening) {
    for (let request = 0; request < 5; request += 1) {
      const answer = await connections.ask(worker, `/?fresh=${worker.id}.${request}.`)
      const given = answer.ok ? answer.headers['x-request-id'] : undefined
      holds(typeof given === 'string' && !seen.has(given), {
        expected: `each request without an id gets one that no other has, ${when}`,
        got: given === undefined ? 'an answer without x-request-id' : `${String(given)}, again`,
        likely:
          'the workers count for themselves, and each begins at the same number; crypto.randomUUID() needs no counting',
        read,
        repeat: program.command,
      })
      seen.add(given)
    }
  }
}

/** A path may hold quotes and backslashes, as HTTP's parser lets them pass. */
async function urlIsEscaped(program: Program): Promise<void> {
  const path = '/nowhere?"quoted\\","injected":"yes'
  using client = await openRaw(program.port)
  client.send(`GET ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`)
  await program.until(() => client.closed || undefined, { within: seconds(5) })
  const advice = { read: 'ids-that-strangers-choose', repeat: program.command }
  const { line, text } = await requestLine(program, path, advice)
  holds(line.url === path && line.injected === undefined, {
    expected: 'the line has the url as it came',
    got: text,
    ...advice,
  })
}

const ANCHORS: readonly (readonly [name: string, valid: boolean])[] = [
  ['replace-what-dies', true],
  ['a', true],
  ['1-2-3', true],
  ['', false],
  ['-a', false],
  ['a-', false],
  ['a--b', false],
  ['A', false],
  ['a b', false],
  ['a_b', false],
  ['a\n', false],
]

check('no input holds a worker', async () => {
  await watched({}, async (program) => {
    const read = 'one-request-that-stops-a-worker'
    for (const [name, valid] of ANCHORS) {
      const path = `/anchor?name=${encodeURIComponent(name)}`
      const answer = await program.get(path, { read })
      holds(jsonOf(answer)?.valid === valid, {
        expected: `${path} answers { "valid": ${valid} }`,
        got: describeAnswer(answer),
        read: 'the-contract',
        repeat: program.commandWith(path),
      })
    }
    // Longer than what a catastrophic pattern ends in this century, short enough for any other.
    const long = 4_000
    const texts = ['a', 'a-', '-', '1', ' ', 'A', 'a ', '.', 'a.', '_'].flatMap((piece) => [
      `${piece.repeat(long / piece.length)}!`,
      `a${piece.repeat(long / piece.length)}`,
    ])
    for (const text of texts) {
      for (const path of [
        `/anchor?name=${encodeURIComponent(text)}`,
        `/render?visitor=${encodeURIComponent(text)}`,
      ]) {
        await isPrompt(program, path, {}, text)
      }
      for (const id of [text, `${text.slice(0, 127)}!`])
        await isPrompt(program, '/', { 'x-request-id': id }, id)
    }
  })
})

async function isPrompt(
  program: Program,
  path: string,
  headers: Readonly<Record<string, string>>,
  text: string,
): Promise<void> {
  const answer = await program.fetch(path, { headers, within: seconds(3) })
  const route = path.split('=')[0] ?? path
  const where = Object.keys(headers).length > 0 ? 'the header x-request-id' : route
  if (answer.ok && answer.status < 500) return
  await program.mustBeAlive()
  throw new Mismatch({
    expected: `${where} with ${text.length} characters is answered within 3 s`,
    got: `${describeAnswer(answer)} for ${text.slice(0, 6)}…${text.slice(-2)}`,
    likely: 'a regular expression tries every way to split the text: it doubles its work with each character',
    read: 'one-request-that-stops-a-worker',
    repeat: `${program.command} & sleep 1; curl -m 3 -si 'localhost:8000${path.slice(0, 60)}${path.length > 60 ? '!' : ''}'; kill %1`,
  })
}

check('the inspector of a worker opens on loopback, for the one who asks', async () => {
  await watched({ fresh: true }, async (program) => {
    const read = 'a-debugger-on-a-live-worker'
    for (const worker of program.listening) {
      const path = `/workers/${worker.id}/inspect`
      const advice = { read, repeat: program.commandWith(path, 'POST', '9000') }
      const { url } = await program.getJson(path, { method: 'POST', admin: true, ...advice })
      const expected = `POST ${path} answers { url } of the inspector of worker ${worker.id}, ws://127.0.0.1:…`
      holds(typeof url === 'string', { ...advice, expected, got: `url is ${JSON.stringify(url)}` })
      const pid = await evaluateAt(url.replace('0.0.0.0', '127.0.0.1'), 'process.pid')
      holds(pid.ok && pid.value === worker.pid, {
        ...advice,
        expected,
        got: `${url}: ${pid.ok ? (pid.value === undefined ? 'no process' : `the inspector of process ${JSON.stringify(pid.value)}, and worker ${worker.id} is ${worker.pid}`) : pid.why}`,
      })
      const port = Number(new URL(url).port)
      const addresses = addressesOf(program, port).filter((address) => !isLoopback(address))
      holds(addresses.length === 0 && (await isReachableOffLoopback(port)) !== true, {
        ...advice,
        expected:
          'the inspector listens on loopback only: whoever reaches it runs what they like in the process',
        got: `it listens on ${addresses.join(', ') || 'other addresses, too'}`,
        likely: 'the host is 0.0.0.0, or empty',
      })
    }
    await program.get('/workers/99999/inspect', { method: 'POST', admin: true, status: 404, read })
  })
})

/** What takes time, but not much of the machine. */
const stories = sideBySide({
  ready: tellsReadiness,
  ticks: ticksOnce,
  hung: findsTheHung,
  large: retiresTheLarge,
})

check('healthz and readyz tell what a load balancer asks', async () => stories.ready())
check('the job runs once a second in the whole cluster, whoever dies', async () => stories.ticks())
check('a worker that hangs is killed and replaced, one that is busy is left alone', async () =>
  stories.hung(),
)
check('a worker over MAX_RSS_MB is retired without a failed request', async () => stories.large())

async function tellsReadiness(): Promise<void> {
  await inOrder([halfIsEnough(), lessIsNot()])
}

/** Within 3 s, which a change may take, `path` answers with this status. */
async function probeAnswers(
  program: Program,
  path: string,
  status: number,
  when: string,
  ask?: typeof program.fetch,
): Promise<void> {
  let last: Answer | NoAnswer | undefined
  const look = async (): Promise<true | undefined> => {
    last = await probe(program, path, ask)
    return (last.ok && last.status === status) || undefined
  }
  const so = await program.eventually(look, { within: seconds(3) })
  holds(so === true, {
    expected: `${path} answers ${status} ${when}`,
    got: last === undefined ? 'nothing' : describeAnswer(last),
    read: 'alive-is-not-ready',
    repeat: program.commandWith(path),
  })
}

/** Also those that have come after the last change. */
async function everyWorkerIsReady(program: Program): Promise<void> {
  using connections = await connectToEveryWorker(program, 'alive-is-not-ready')
  for (const worker of program.listening) {
    const when = `from each worker while all listen, also from one that has replaced another: here worker ${worker.id}`
    await probeAnswers(program, '/readyz', 200, when, (path, options) =>
      connections.ask(worker, path, options),
    )
  }
}

/** An odd number of workers, of which no whole number is half. */
async function lessIsNot(): Promise<void> {
  await watched({ workers: 3, fresh: true, env: calm }, async (program) => {
    await giveNextForks(program, { holdListen: true })
    const [first, second] = program.atLeast(3)
    await kills(program, first)
    await kills(program, second)
    await probeAnswers(program, '/readyz', 503, 'with 1 of 3 workers listening')
  })
}

async function halfIsEnough(): Promise<void> {
  await watched({ workers: 4, fresh: true, env: calm }, async (program) => {
    const is = (path: string, status: number, when: string): Promise<void> =>
      probeAnswers(program, path, status, when)
    await is('/healthz', 200, 'while the process lives')
    await is('/readyz', 200, 'while all workers listen')
    // The answer stays the same, and a newcomer has to know it.
    await expect(program).toReplace(await kills(program), { within: seconds(8), read: 'the-contract' })
    await everyWorkerIsReady(program)
    // Those that die now are replaced by some that do not come to listen.
    await giveNextForks(program, { holdListen: true })
    const [first, second, third] = program.listening
    await kills(program, first)
    await kills(program, second)
    for (let look = 0; look < 5; look += 1) {
      await is('/readyz', 200, 'with 2 of 4 workers listening: half is not below half')
      await pause(50)
    }
    await kills(program, third)
    await is('/readyz', 503, 'with 1 of 4 workers listening')
    await is('/healthz', 200, 'though too few workers listen')
    await giveNextForks(program, {})
    const back = await program.releaseListenUntil(() => program.listening.length >= 2, {
      within: seconds(15),
    })
    holds(back === true, {
      expected: 'workers that were killed are replaced',
      got: `${program.listening.length} of 4 listen`,
      read: 'the-contract',
      repeat: program.command,
    })
    await is('/readyz', 200, 'when enough workers listen again')
  })
}

/** On PORT, or where that knows no such path, on ADMIN_PORT. */
async function probe(
  program: Program,
  path: string,
  ask: typeof program.fetch = (...request) => program.fetch(...request),
): Promise<Answer | NoAnswer> {
  const answer = await ask(path, { within: seconds(5) })
  return answer.ok && answer.status === 404 ? program.admin(path, { within: seconds(5) }) : answer
}

/** SIGKILL, and the primary has seen the end of it. */
async function kills(program: Program, worker?: Worker): Promise<LostWorker> {
  const lost = await program.killOneWorker(worker)
  const gone = await program.until(() => isGone(program, lost) || undefined, { within: seconds(5) })
  if (gone === undefined) throw new Error(`worker ${lost.id} outlived SIGKILL`)
  return lost
}

function isGone(program: Program, { id }: Worker): boolean {
  return program.workers.some((worker) => worker.id === id && worker.state === 'gone')
}

async function ticksOnce(): Promise<void> {
  await watched({ workers: 2, fresh: true, env: calm }, async (program) => {
    const advice = { read: 'one-job-in-many-processes', repeat: `${program.command} | grep tick` }
    const first = program.listening
    await ticksAsDue(program, 'while nothing happens', advice)
    for (const worker of first) {
      const lost = await program.killOneWorker(worker)
      await expect(program).toReplace(lost, { within: seconds(5), read: 'the-contract' })
    }
    await ticksAsDue(program, 'after each of the first workers has died', advice)
    // One that is retired goes on with what it has begun for some seconds, beside the one that takes its place.
    const retired = program.listening
    using _ = await beginOnEach(program, retired, '/slow?ms=4500', { read: advice.read })
    for (const { id } of retired)
      await giveOrder(program, `POST /workers/${id}/retire`, { read: advice.read })
    await program.until(() => program.workers.length >= 6 || undefined, { within: seconds(8) })
    await ticksAsDue(program, 'while retired workers end what they have begun, and after that', advice)
  })
}

/** In some seconds from the next tick on, one a second: with the tolerance of a timer that is late. */
async function ticksAsDue(
  program: Program,
  when: string,
  advice: { readonly read: string; readonly repeat: string },
): Promise<void> {
  const ticks = (): readonly number[] =>
    program
      .eventsOf('line')
      .flatMap(({ stream, text, at }) =>
        stream === 'stdout' && jsonLine(text)?.event === 'tick' ? [at] : [],
      )
  const expected = `a line { "event": "tick" } on stdout once a second, ${when}`
  const before = ticks().length
  const begun = await program.until(() => ticks()[before], { within: seconds(4) })
  holds(begun !== undefined, {
    ...advice,
    expected,
    got: before === 0 ? 'none within 4 s' : `${before} before, and none within 4 s`,
    likely: before === 0 ? undefined : 'the one that ticked is gone, and nobody took its place',
  })
  await pause(seconds(3.5))
  const count = ticks().length - before - 1
  const elapsed = (Date.now() - begun) / 1000
  holds(count <= elapsed + 1.3, {
    ...advice,
    expected,
    got: `${count} in ${elapsed.toFixed(1)} s`,
    likely: 'more than one process has the timer',
  })
  // On a machine that stood still some are missed for good; two in a row are not.
  holds(count >= elapsed / 2 - 1, { ...advice, expected, got: `${count} in ${elapsed.toFixed(1)} s` })
}

async function findsTheHung(): Promise<void> {
  await watched({ workers: 2, fresh: true, env: { HANG_MS: String(HANG) } }, async (program) => {
    const { repeat, read } = { repeat: program.command, read: 'a-worker-that-hangs' }
    const [lost, busy] = program.atLeast(2)
    // While one is busy in bursts, another boots slowly: stopped by the kernel, it gives no sign of life.
    const forkedBefore = program.workers.length
    await program.killOneWorker(lost)
    const booting = await program.until(() => program.workers[forkedBefore], { within: seconds(5) })
    holds(booting !== undefined, {
      expected: 'a killed worker is replaced',
      got: 'no worker was forked',
      read: 'the-contract',
      repeat,
    })
    {
      await using _ = await stop(program, booting)
      await Promise.all([bursts(program, busy), pause(HANG * 2.3)])
      hadNotItsTime(program, booting)
      holds(!isGone(program, booting), {
        expected: `a worker that has not listened yet is left alone for 10 s, with HANG_MS=${HANG}`,
        got: 'it was ended before',
        likely:
          'its silence is counted from the fork: compiling and loading may hold the event loop for long',
        read,
        repeat,
      })
    }
    holds(!isGone(program, busy), {
      expected: `a worker whose event loop turns after every ${HANG * 0.4} ms is left alone, with HANG_MS=${HANG}`,
      got: 'it was ended',
      likely: 'one missed sign of life is taken for a hang, or the sum of pauses for one pause',
      read,
      repeat,
    })
    const listens = await program.until(() => program.listening.find(({ id }) => id === booting.id), {
      within: seconds(10),
    })
    hadNotItsTime(program, booting)
    holds(listens !== undefined, {
      expected: 'a worker that boots slowly comes to listen',
      got: 'it does not',
      read,
      repeat,
    })
    const lostAfter = program.lastSeq
    await hang(program, booting)
    await isEnded(program, booting)
    await expect(program).toReplace({ ...booting, lostAfter }, { within: seconds(5), read })
    // Then both at once: neither has to wait for the other.
    const both = program.atLeast(2)
    const forked = program.workers.length
    await Promise.all(both.map((worker) => hang(program, worker)))
    await Promise.all(both.map((worker) => isEnded(program, worker)))
    const fresh = (): number =>
      program.listening.filter(({ id }) => both.every((one) => one.id !== id)).length
    await program.until(() => fresh() >= 2 || undefined, { within: seconds(7) })
    await program.quiet(150)
    holds(fresh() === 2 && program.workers.length - forked === 2, {
      expected: 'two workers that hang at once are both replaced, once',
      got: `${program.workers.length - forked} were forked, ${fresh()} of which listen`,
      read,
      repeat,
    })
  })
}

/**
 * A worker that has not listened may be ended 10 s after its fork. They are the program's own seconds: when this
 * checker stands still for a while, it comes to look when they are over.
 */
function hadNotItsTime(program: Program, { id }: Worker): void {
  const worker = program.workers.find((one) => one.id === id)
  if (worker?.goneAt === undefined || worker.goneAt - worker.forkedAt < seconds(9.5)) return
  throw new Inconclusive(
    'This machine is too busy: 10 s were over before it was seen that a worker which boots is left alone.',
  )
}

/** Busy for two fifths of HANG_MS at a time, again and again; in between its event loop turns once. */
async function bursts(program: Program, { pid }: Worker): Promise<void> {
  const end = patientNow() + HANG * 2.3
  while (patientNow() < end) {
    await program.tell(pid, { do: 'block', ms: HANG * 0.4 })
    await program.environment(pid)
  }
}

async function isEnded(program: Program, worker: Worker): Promise<void> {
  const gone = await program.until(() => isGone(program, worker) || undefined, { within: HANG * 2.5 })
  holds(gone === true, {
    expected: `a worker whose event loop does not turn is killed within twice HANG_MS, here ${(HANG * 2) / 1000} s`,
    got: `it lives ${(HANG * 2.5) / 1000} s after it began to hang`,
    likely:
      'what tells that it lives does not need its event loop to turn; or it gets a signal that only an event loop can handle',
    read: 'a-worker-that-hangs',
    repeat: program.command,
  })
}

async function retiresTheLarge(): Promise<void> {
  await watched(
    { workers: 2, fresh: true, env: { ...calm, MAX_RSS_MB: String(MAX_RSS_MB) } },
    async (program) => {
      const advice = { read: 'a-worker-that-grows', repeat: program.command }
      const [large, small] = program.atLeast(2)
      const load = keepAsking(program.port, '/slow?ms=400', { clients: 6 })
      await grow(program, small, 100)
      await isRetired(program, large, MAX_RSS_MB)
      holds(!isGone(program, small), {
        ...advice,
        expected: `a worker well below MAX_RSS_MB=${MAX_RSS_MB} stays`,
        got: 'it was ended, too',
        likely: 'the limit is taken for another unit, or all workers are retired for one',
      })
      // Soon after the first, and it has 100 MiB already.
      await isRetired(program, small, MAX_RSS_MB - 100)
      const results = withoutCutByNode(program, await load.stop())
      holds(describeFailures(results) === '', {
        ...advice,
        expected: 'no request fails when a worker over MAX_RSS_MB goes',
        got: `${describeFailures(results)} of ${results.length} requests`,
        likely: 'it is killed, or ends by itself, before what it has begun is answered',
      })
    },
  )
}

/** Given so many MiB more, it is replaced and ends. */
async function isRetired(program: Program, worker: Worker, mebibytes: number): Promise<void> {
  const read = 'a-worker-that-grows'
  const lostAfter = program.lastSeq
  await grow(program, worker, mebibytes)
  const gone = await program.until(() => isGone(program, worker) || undefined, { within: seconds(12) })
  holds(gone === true, {
    expected: `a worker that holds more than MAX_RSS_MB=${MAX_RSS_MB} is retired within 12 s`,
    got: 'it lives on',
    likely:
      'another number than the resident set is looked at: the heap is a part of it, and buffers are outside the heap',
    read,
    repeat: program.command,
  })
  await expect(program).toReplace({ ...worker, lostAfter }, { within: seconds(5), read })
}

/** Takes so many MiB, in pieces, between which its event loop turns. */
async function grow(program: Program, worker: Worker, mebibytes: number): Promise<void> {
  for (let taken = 0; taken < mebibytes; taken += 20) {
    await allocate(program, worker, 20 * 1024 ** 2)
    await pause(20)
  }
}

check('memory does not grow with the requests', async () => {
  const workers = workersUnderLoad()
  const read = 'a-worker-that-grows'
  const [program, reference] = await Promise.all([
    start({ workers, fresh: true, env: calm }),
    startReference(workers),
  ])
  await using _program = program
  await using _reference = reference
  const [yours, plain] = await Promise.all([
    heapGrowth(program, {
      requests: REQUESTS,
      read,
      paths: [
        '/',
        '/anchor?name=leak-',
        '/nowhere?leak=',
        '/slow?ms=1&leak=',
        '/',
        '/render?visitor=leak-',
        '/anchor?name=leak-',
        '/?leak=',
        '/nowhere?leak=',
        '/anchor?name=leak-',
        '/',
        '/slow?ms=1&leak=',
        '/?leak=',
        '/nowhere?leak=',
        '/anchor?name=leak-',
        '/',
      ],
    }),
    heapGrowth(reference, {
      requests: REQUESTS,
      read,
      // As many pages: what a page leaves behind in the heap is no leak of the program's.
      paths: [...Array.from({ length: 15 }, () => '/'), '/render?visitor=leak-'],
    }),
  ])
  const mebibytes = (bytes: number): string => `${(bytes / 1024 ** 2).toFixed(1)} MiB`
  holds(yours <= plain + workers * 2 * 1024 ** 2, {
    expected: `after ${REQUESTS} requests and a collection, ${workers} workers hold no more than a reference gained (${mebibytes(plain)}) plus 2 MiB each`,
    got: `${mebibytes(yours)} more than before`,
    likely:
      'something is kept for each request and never let go: a Map without an end, a listener, a list for debugging',
    read,
    repeat: program.command,
  })
})

const REQUESTS = 2_000

check('the admin lists, retires and reloads, on loopback', async () => {
  await inOrder([obeysOrders(), countsRightInReload()])
})

/** In a reload one of the old workers crashes, and another is retired; both drain. Each is replaced once for all that. */
async function countsRightInReload(): Promise<void> {
  await watched({ fresh: true, workers: 2, env: calm }, async (program) => {
    const read = 'what-is-already-there'
    const old = program.atLeast(2)
    const [crashed, retired] = old
    using _ = await beginOnEach(program, old, '/slow?ms=2500', { read })
    await giveNextForks(program, { holdListen: true })
    await giveOrder(program, 'POST /reload', { read })
    await program.until(() => program.workers.length > 2 || undefined, { within: seconds(5) })
    await reject(program, crashed)
    await giveOrder(program, `POST /workers/${retired.id}/retire`, { read })
    // By now those who pause before a fork have made it.
    await pause(500)
    await giveNextForks(program, {})
    const living = (): number => program.workers.filter(({ state }) => state !== 'gone').length
    const settled = (): boolean =>
      old.every((worker) => isGone(program, worker)) && living() === 2 && program.listening.length === 2
    await program.releaseListenUntil(settled, { within: seconds(15) })
    await program.quiet(500)
    holds(settled(), {
      expected:
        'WORKERS (2) workers live when a reload is over in which one of the old ones crashed and one was retired',
      got: `${living()} live, ${program.listening.length} listen`,
      likely:
        'a worker that already has a replacement on its way is replaced once more when it drains or ends',
      read,
      repeat: program.command,
    })
  })
}

async function obeysOrders(): Promise<void> {
  await watched({ fresh: true, workers: 2, env: calm }, async (program) => {
    const read = 'what-is-already-there'
    const [first, second] = program.listening
    const listed = await workersListed(program, read)
    holds(
      listed.length === 2 &&
        [first, second].every((one) =>
          listed.some(({ id, pid, state }) => id === one?.id && pid === one.pid && state === 'listening'),
        ),
      {
        expected: 'GET /workers lists both workers as listening',
        got: JSON.stringify(listed).slice(0, 200),
        read,
        repeat: program.commandWith('/workers', 'GET', '9000'),
      },
    )
    const { adminPort } = program.identity
    const addresses = addressesOf(program, adminPort).filter((address) => !isLoopback(address))
    holds(addresses.length === 0, {
      expected: 'the admin interface listens on 127.0.0.1 only',
      got: `it listens on ${addresses.join(', ')}`,
      read,
      repeat: program.command,
    })
    const load = keepAsking(program.port, '/slow?ms=300', { clients: 4 })
    const lostAfter = program.lastSeq
    await giveOrder(program, `POST /workers/${first?.id}/retire`, { read })
    // It may have gone by now, and then may be unknown; whoever takes the repeat for an order forks twice.
    await program.admin(`/workers/${first?.id}/retire`, { method: 'POST' })
    await areGone(program, [first], 'a retired worker ends')
    const retired = await load.stop()
    if (first !== undefined)
      await expect(program).toReplace(
        { ...first, lostAfter },
        {
          within: seconds(5),
          expected: 'a retired worker is replaced once, however often that was asked for',
          read,
        },
      )
    await program.get('/workers/99999/retire', { method: 'POST', admin: true, status: 404, read })
    // A reload whose first new worker does not come up changes nothing.
    const old = program.listening
    const forked = program.workers.length
    await killNextFork(program)
    await program.get('/reload', { method: 'POST', admin: true, status: 202, read })
    await program.until(() => program.workers[forked]?.state === 'gone' || undefined, { within: seconds(5) })
    await program.quiet(500)
    holds(
      old.every((worker) => program.listening.some(({ id }) => id === worker.id)),
      {
        expected: 'a reload whose first new worker dies at once ends, and the old workers go on',
        got: 'an old worker is gone, or drains',
        read,
        repeat: program.command,
      },
    )
    const more = keepAsking(program.port, '/slow?ms=300', { clients: 4 })
    await orderReload(program, read)
    await program.get('/reload', {
      method: 'POST',
      admin: true,
      status: 409,
      read,
      expected: 'POST /reload answers 409 while a reload runs',
    })
    await areGone(program, old, 'a reload replaces every worker')
    const results = withoutCutByNode(program, [...retired, ...(await more.stop())])
    holds(describeFailures(results) === '', {
      expected: 'no request fails when a worker is retired or all are reloaded',
      got: `${describeFailures(results)} of ${results.length} requests`,
      read,
      repeat: program.command,
    })
    await program.quiet(150)
    await tellsReadyOnce(program, 2, 'the-contract')
  })
}

async function areGone(
  program: Program,
  workers: readonly (Worker | undefined)[],
  expected: string,
): Promise<void> {
  const all = await program.until(
    () => workers.every((worker) => worker === undefined || isGone(program, worker)) || undefined,
    { within: seconds(15) },
  )
  holds(all === true, {
    expected: `${expected}, within 15 s`,
    got: 'an old one lives on',
    read: 'what-is-already-there',
    repeat: program.command,
  })
}

check('an unhandled rejection ends its worker, which is replaced', async () => {
  await watched({ fresh: true, workers: 2, env: { ...calm, SHUTDOWN_MS: '1000' } }, async (program) => {
    const read = 'the-contract'
    const [victim] = program.atLeast(1)
    const lostAfter = program.lastSeq
    await reject(program, victim)
    await areGone(program, [victim], 'a worker with an unhandled rejection ends within SHUTDOWN_MS (1000)')
    await expect(program).toReplace({ ...victim, lostAfter }, { within: seconds(8), read })
  })
})

check('the workers share the load', async () => {
  await watched({ workers: workersUnderLoad() }, async (program) => {
    await expect(program).toGetShare(0.6, { read: 'sharing-the-load' })
  })
})

check('the final exam: a kill, a hang, a leak, a crash and a reload under load', async () => {
  const workers = Math.max(2, workersUnderLoad())
  const env = { HANG_MS: String(HANG), MAX_RSS_MB: String(MAX_RSS_MB) }
  const lot = drawLots()
  const order = lot.shuffled(FAULTS)
  note(`The order was ${order.join(', ')}; --seed ${lot.seed} repeats it.`)
  await watched({ workers, fresh: true, env, watchRequests: true }, async (program) => {
    const booted = await timeToBoot(program, workers)
    const advice = { read: 'the-final-exam', repeat: `npm run check 10 -- --seed ${lot.seed}` }
    let asked = 0
    const url = (path: string) => (): string => `${path}exam-${(asked += 1)}`
    const load = [
      keepAsking(program.port, url('/render?visitor='), {
        clients: workers,
        pauseMs: 15,
        within: seconds(9),
      }),
      keepAsking(program.port, url('/slow?ms=150&n='), { clients: 2 * workers, within: seconds(9) }),
    ]
    const hits: Hit[] = []
    let judged = 0
    for (const fault of order) {
      const worker = lot.oneOf(program.atLeast(1))
      const before = program.listening
      const from = patientNow()
      await inflict(program, fault, worker)
      const renewed = fault === 'reload' ? before : [worker]
      const whole = (): true | undefined =>
        (program.listening.length === workers &&
          renewed.every((one) => isGone(program, one)) &&
          program.workers.every(({ state }) => state === 'gone' || state === 'listening')) ||
        undefined
      const within = DEADLINES[fault] * (fault === 'reload' ? workers : 1) + 3 * booted
      const isWhole = await program.until(whole, { within })
      const lived = renewed.filter((one) => !isGone(program, one)).length
      holds(isWhole === true, {
        ...advice,
        expected: `after the ${fault}, ${workers} workers listen and ${fault === 'reload' ? 'the old ones are' : 'the one that it hit is'} gone, within ${(within / 1000).toFixed(0)} s`,
        got: `${program.listening.length} listen, ${lived} of ${renewed.length} still live`,
      })
      // The end of what was on its way comes a moment later.
      await pause(200)
      if (['kill', 'hang', 'crash'].includes(fault)) hits.push({ pid: worker.pid, from, until: patientNow() })
      const results = load.flatMap((one) => one.results)
      judge(
        program,
        results,
        hits,
        3 * workers,
        `after the ${fault}${judged > 0 ? `, the ${ORDINALS[judged]} of five faults` : ''}`,
        advice,
      )
      judged += 1
    }
    const results = (await Promise.all(load.map((one) => one.stop()))).flat()
    judge(program, results, hits, 3 * workers, 'after all five faults', advice)
    await ticksAsDue(program, 'after all five faults', {
      read: 'one-job-in-many-processes',
      repeat: advice.repeat,
    })
    await expect(program).toGetShare(0.6, { read: 'the-final-exam' })
    await program.signal('SIGTERM')
    await expect(program).toEnd({ within: seconds(6), code: 0, read: 'the-end-of-the-program' })
    await expect(program).toLeaveNoProcess({ within: seconds(5), read: 'the-end-of-the-program' })
  })
})

const FAULTS = ['kill', 'hang', 'leak', 'crash', 'reload'] as const
type Fault = (typeof FAULTS)[number]
const ORDINALS = ['first', 'second', 'third', 'fourth', 'last']

/** Until all is well again, beside three times what a worker takes to boot here; for a reload, per worker. */
const DEADLINES: Readonly<Record<Fault, number>> = {
  kill: seconds(3),
  // A crashed worker may drain for SHUTDOWN_MS before it ends.
  crash: seconds(8),
  hang: HANG * 2 + seconds(3),
  leak: seconds(12),
  reload: seconds(6),
}

/** How long a worker takes from its fork to its listen, here and now: the slowest of the program's and the reference's. */
async function timeToBoot(program: Program, workers: number): Promise<number> {
  await using reference = await startReference(workers)
  const times = [...program.workers, ...reference.workers].map(
    ({ forkedAt, listeningAt }) => (listeningAt ?? forkedAt) - forkedAt,
  )
  return Math.max(seconds(0.5), ...times)
}

async function inflict(program: Program, fault: Fault, worker: Worker): Promise<void> {
  if (fault === 'kill') await program.signal('SIGKILL', worker.pid)
  else if (fault === 'hang') await hang(program, worker)
  else if (fault === 'leak') await grow(program, worker, MAX_RSS_MB)
  else if (fault === 'crash') await crash(program, worker)
  else await program.signal('SIGHUP')
}

/**
 * Connections between the primary's hands and a worker's first look at them, when a fault comes: the hand-over in
 * progress, and what was taken just before; where the kernel hands over, a worker may take several at once.
 */
const onTheWayAtMost = (clients: number): number => Math.max(3, clients / 2)

function judge(
  program: Program,
  results: Parameters<typeof blameFor>[1],
  hits: readonly Hit[],
  clients: number,
  when: string,
  advice: { readonly read: string; readonly repeat: string },
): void {
  const { onTheWay, unexcused } = blameFor(program, results, hits)
  const [one] = unexcused
  const expected = `${when}, no request has failed but those that the killed, hung or crashed worker had begun`
  holds(one === undefined, {
    ...advice,
    expected,
    got: `${describeFailures(unexcused.map(({ asked }) => asked))} of ${results.length}: ${one?.begunBy.length === 0 ? 'no worker had begun it' : `begun by a worker that nothing was done to then, and that ${fateOf(program, one?.begunBy[0])}`}`,
    likely: 'a worker is ended before it has answered, or a connection is closed that a worker has taken',
  })
  holds(onTheWay.length <= onTheWayAtMost(clients) * hits.length, {
    ...advice,
    expected,
    got: `${describeFailures(onTheWay)} of ${results.length} that no worker had begun`,
    likely: 'connections go on being given to a worker that cannot take them',
  })
}

function fateOf(program: Program, pid = 0): string {
  const exit = program.eventsOf('exit').find(({ workerPid }) => workerPid === pid)
  if (exit === undefined) return 'lives'
  return exit.signal === null ? `ended with exit code ${exit.code}` : `was ended by ${exit.signal}`
}

check('SIGTERM ends what was begun, and nothing lasts longer than SHUTDOWN_MS', async () => {
  await inOrder([drains(), cuts(), endsWhileOneBoots()])
})

async function drains(): Promise<void> {
  const env = { ...calm, SHUTDOWN_MS: '9000' }
  await watched({ workers: 2, fresh: true, watchRequests: true, env }, async (program) => {
    const read = 'the-end-of-the-program'
    const advice = { read, repeat: program.command }
    using kept = keptConnection()
    await program.get('/', { agent: kept.agent, read })
    const slow = Array.from({ length: 6 }, () => openRequest(program.port, '/slow?ms=2000&last').end())
    await areBegun(program, slow.length)
    await program.signal('SIGTERM')
    const closed = await program.eventually(
      async () => {
        const [page, probed] = await Promise.all([program.fetch('/'), probe(program, '/readyz')])
        return (!page.ok && !(probed.ok && probed.status === 200)) || undefined
      },
      { within: seconds(1) },
    )
    holds(closed === true, {
      ...advice,
      expected: 'within 1 s of SIGTERM no new connection is taken, and nobody calls the program ready',
      got: 'a fresh connection is answered, or /readyz answers 200',
    })
    // The same signal once more: who listens for it once has Node's default by now.
    await program.signal('SIGTERM')
    await Promise.all(slow.map((request) => request.untilOver()))
    const whole = slow.filter((request) => request.over && request.head?.status === 200).length
    holds(whole === slow.length, {
      ...advice,
      expected: 'requests in flight at SIGTERM are answered, though it comes twice',
      got: `${whole} of ${slow.length} were`,
      likely:
        program.ended === undefined
          ? undefined
          : 'the program has ended: the second signal met no listener, or one that ends it at once',
    })
    const likely = 'a connection that is idle holds the end: it has to be closed'
    await expect(program).toEnd({ within: seconds(4), code: 0, read, likely })
    const logged = (): number =>
      program.lines('stdout').filter((text) => jsonLine(text)?.url === '/slow?ms=2000&last').length
    await program.until(() => logged() >= slow.length || undefined, { within: seconds(2), alive: false })
    holds(logged() === slow.length, {
      expected: 'the last requests leave their lines, too: one for each that was answered after SIGTERM',
      got: `${logged()} of ${slow.length}`,
      likely: 'lines are collected, and those that wait when a worker exits are never written',
      read: 'logs-that-can-be-joined',
      repeat: program.command,
    })
    await expect(program).toLeaveNoProcess({ within: seconds(5), read })
  })
}

/** Who does not listen yet when the signal comes may not listen, and live on, when all others have gone. */
async function endsWhileOneBoots(): Promise<void> {
  const env = { ...calm, SHUTDOWN_MS: '2000' }
  await watched({ workers: 2, fresh: true, env }, async (program) => {
    const read = 'the-end-of-the-program'
    const likely =
      'only the workers that listen are told to go: one that boots comes to listen, and is forgotten'
    await endsWhileOneStarts(program, { within: seconds(5), read, likely })
  })
}

async function cuts(): Promise<void> {
  const env = { ...calm, SHUTDOWN_MS: '1500' }
  await watched({ workers: 2, fresh: true, watchRequests: true, env }, async (program) => {
    const read = 'the-end-of-the-program'
    using _endless = openRequest(program.port, '/slow?ms=600000').end()
    await areBegun(program, 1)
    // One has just died, and its replacement may be due before the end.
    const { pid: busy } = program.eventsOf('request').find(({ url }) => url.startsWith('/slow')) ?? {}
    await kills(
      program,
      program.listening.find(({ pid }) => pid !== busy),
    )
    // What Ctrl-C sends, and then what a supervisor sends.
    await program.signal('SIGINT')
    await program.signal('SIGTERM')
    const likely =
      'a request that never ends holds the drain, and nothing bounds it; or a fork that was planned before the signal is not given up'
    await expect(program).toEnd({ within: seconds(4.5), code: 1, read, likely })
    await expect(program).toLeaveNoProcess({ within: seconds(5), read })
  })
}

/** So many slow requests have come to workers. */
async function areBegun(program: Program, count: number): Promise<void> {
  const begun = (): number => program.eventsOf('request').filter(({ url }) => url.startsWith('/slow')).length
  await program.until(() => begun() >= count || undefined, { within: seconds(5) })
}

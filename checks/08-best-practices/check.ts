import {
  addressesOf,
  allocate,
  askBesideHeavy,
  bearsSignature,
  block,
  boundsSlowClients,
  check,
  cpuOf,
  cutsUploadsShort,
  describeAnswer,
  echoesApart,
  echoesWhole,
  endsOnSigterm,
  expect,
  findSecret,
  follow,
  forge,
  formsOf,
  freesItsPlace,
  freesWaitingPlace,
  givesUpItsWork,
  hasNoMorePlaces,
  heldTogether,
  holds,
  inOrder,
  isLoopback,
  isReachableOffLoopback,
  isRetryAfter,
  jsonOf,
  junkMessages,
  keepAsking,
  maimed,
  median,
  mentions,
  note,
  openRaw,
  openRequest,
  pause,
  readExposition,
  refusesOddRequests,
  repeatBurst,
  runsOneAtATime,
  runsOneInEach,
  seconds,
  sendMessage,
  servesPages,
  sideBySide,
  signatureOf,
  start,
  startReference,
  statusesOf,
  stop,
  survivesNonsense,
  takenBetween,
  watchRequests,
  workersUnderLoad,
  type Answer,
  type NoAnswer,
  type Program,
} from '#harness'

const TOKEN = 'let-me-see-the-numbers'
const KEY = 'known-to-one-process-and-no-other'
const env = { ADMIN_TOKEN: TOKEN, SIGNING_KEY: KEY }
const bearer = { authorization: `Bearer ${TOKEN}` }
const two = { workers: 2, env }

/** What takes long and little of the machine. */
const atOnce = sideBySide({ tellsWhatWorkersUse, gathersInTime, boundsClients })

check('without a token nothing is administered', async () => {
  await inOrder([
    opensNothing({ SIGNING_KEY: KEY }, 'ADMIN_TOKEN unset'),
    opensNothing({ SIGNING_KEY: KEY, ADMIN_TOKEN: '' }, 'an empty ADMIN_TOKEN'),
  ])
})

async function opensNothing(given: Readonly<Record<string, string>>, name: string): Promise<void> {
  await using program = await start({ workers: 2, env: given, unready: true })
  const advice = { read: 'no-token-no-interface', repeat: program.command }
  const serves = (): 'serves' | undefined => (program.listening.length === 2 ? 'serves' : undefined)
  const outcome = await program.until(() => program.ended ?? serves(), { within: seconds(10), alive: false })
  holds(outcome !== undefined, {
    ...advice,
    expected: `with ${name}, the program serves its pages, or ends with exit code 1`,
    got: 'it does neither within 10 s',
  })
  holds(outcome === 'serves' || outcome.code === 1, {
    ...advice,
    expected: `with ${name}, a program that ends does so with exit code 1`,
    got: `it ended: ${program.lastWords()}`,
  })
  // The interface may be opened a little later than the workers' port.
  await program.quiet(250)
  holds(addressesOf(program, program.identity.adminPort).length === 0, {
    ...advice,
    expected: `with ${name}, nothing listens on ADMIN_PORT`,
    got: 'something listens there',
    likely: 'the interface is opened before anybody looks whether there is a token',
  })
  const said = (): true | undefined =>
    program.eventsOf('line').some(({ text }) => text.includes('ADMIN_TOKEN')) || undefined
  holds((await program.until(said, { within: seconds(2), alive: false })) === true, {
    ...advice,
    expected: `with ${name}, a line that names ADMIN_TOKEN`,
    got: program.lastWords() === '' ? 'nothing was printed' : program.lastWords(),
    likely: 'nobody would know why there are no metrics',
  })
}

check('the token opens the metrics, on this machine only', async () => {
  await using program = await start(two)
  const read = 'who-may-ask'
  await scrape(program)
  for (const [what, headers, path = '/metrics'] of strangers) {
    await program.get(path, {
      admin: true,
      headers,
      status: 401,
      expected: `GET /metrics on ADMIN_PORT, ${what}, answers 401`,
      likely: what.includes('length')
        ? 'timingSafeEqual throws where two buffers differ in length, and an exception ends the process'
        : 'the whole header has to be Bearer, a space and the token; addresses are written into logs',
      read,
      repeat: repeatScrape(program, ''),
    })
  }
  await refusesOddBytes(program)
  const { adminPort } = program.identity
  const open = addressesOf(program, adminPort).filter((address) => !isLoopback(address))
  holds(open.length === 0 && (await isReachableOffLoopback(adminPort)) !== true, {
    expected: 'ADMIN_PORT is open on 127.0.0.1 only',
    got: `it listens on ${open.join(', ')}, which other machines can reach`,
    likely: 'listen(port) without a host opens the port on every address',
    read,
    repeat: program.command,
  })
  if (!mentions(program, 'timingSafeEqual')) {
    note(
      'The token seems to be compared without crypto.timingSafeEqual. How long === takes tells how much of a token is right.',
    )
  }
})

const strangers: readonly (readonly [string, Readonly<Record<string, string>>, string?])[] = [
  ['without a token', {}],
  ['with another token', { authorization: 'Bearer let-me-see-the-secrets' }],
  ['with a token of another length', { authorization: 'Bearer x' }],
  ['with the beginning of the token', { authorization: `Bearer ${TOKEN.slice(0, -1)}` }],
  ['with more than the token', { authorization: `Bearer ${TOKEN}s` }],
  ['with an empty token', { authorization: 'Bearer ' }],
  ['with the token in capitals', { authorization: `Bearer ${TOKEN.toUpperCase()}` }],
  ['with another scheme', { authorization: `Basic ${TOKEN}` }],
  ['with the token in its address', {}, `/metrics?token=${TOKEN}&access_token=${TOKEN}&ADMIN_TOKEN=${TOKEN}`],
]

/** As many characters as the token has, but more bytes of UTF-8. */
async function refusesOddBytes(program: Program): Promise<void> {
  using client = await openRaw(program.identity.adminPort)
  client.send('GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer ')
  client.send(Buffer.from(`${TOKEN.replaceAll('e', 'é')}\r\n\r\n`, 'latin1'))
  await program.until(() => client.received.includes('\r\n') || client.closed || undefined, {
    within: seconds(5),
  })
  await program.mustBeAlive()
  const status = /^HTTP\/1\.1 (\d+)/.exec(client.received)?.[1]
  holds(status === '401' || status === '400', {
    expected: 'a token of the right length with bytes above 127 in it answers 401',
    got: status === undefined ? 'no answer' : `status ${status}`,
    likely: 'timingSafeEqual throws where two buffers differ in length, and strings of one length may do so',
    read: 'who-may-ask',
    repeat: program.command,
  })
}

function repeatScrape(program: Program, header = ` -H 'authorization: Bearer ${TOKEN}'`): string {
  return `${program.command} & sleep 2; curl -si${header} localhost:9000/metrics; kill %1`
}

/** The metrics, from the first answer with 200: the interface may be opened a little after the workers' port. */
async function scrape(program: Program): Promise<string> {
  let last: Answer | NoAnswer | undefined
  const look = async (): Promise<string | undefined> => {
    last = await program.admin('/metrics', { headers: bearer })
    return last.ok && last.status === 200 ? last.text : undefined
  }
  const text = await program.eventually(look, { within: seconds(5) })
  await program.mustBeAlive()
  holds(text !== undefined, {
    expected: 'GET /metrics on ADMIN_PORT, with Authorization: Bearer $ADMIN_TOKEN, answers 200 within 5 s',
    got: last === undefined ? 'no answer' : describeAnswer(last),
    likely: 'nothing listens on ADMIN_PORT, or the header is not compared with Bearer and the token',
    read: 'who-may-ask',
    repeat: repeatScrape(program),
  })
  return text
}

type Series = ReadonlyMap<string, number>

/** One metric, by the label that tells the workers apart. */
async function series(program: Program, name: string, type: 'counter' | 'gauge'): Promise<Series> {
  const { samples, types, odd } = readExposition(await scrape(program))
  const advice = { read: 'numbers-of-every-worker', repeat: repeatScrape(program) }
  holds(odd === undefined, {
    ...advice,
    expected: 'the text format of Prometheus',
    got: `a line that it does not know: ${odd?.slice(0, 120)}`,
    likely: 'let prom-client write it: registry.metrics()',
  })
  const named = samples.filter((sample) => sample.name === name)
  holds(named.length > 0, {
    ...advice,
    expected: `a metric ${name}`,
    got: 'there is none',
    likely: 'the workers count, and only the primary answers: it has to ask them',
  })
  const told = types[name] ?? types[name.replace(/_total$/, '')]
  holds(told === type, { ...advice, expected: `${name} is a ${type}`, got: `it is of type ${told}` })
  const labelled = named.flatMap(({ labels, value }) =>
    labels.worker === undefined ? [] : [[labels.worker, value] as const],
  )
  const found = new Map<string, number>()
  // A counter may be split further, by status for instance.
  for (const [worker, value] of labelled) found.set(worker, (found.get(worker) ?? 0) + value)
  holds(found.size > 0 && (type === 'counter' || found.size === labelled.length), {
    ...advice,
    expected: `a series ${name}{worker="…"} for each worker`,
    got: found.size === 0 ? 'no series has a label worker' : 'there are two series for one worker',
  })
  return found
}

check('every request is counted, by the worker that it reached', async () => {
  await using program = await start(two)
  const before = await series(program, 'http_requests_total', 'counter')
  const answers = await Promise.all([
    ...Array.from({ length: 8 }, () => program.fetch('/')),
    program.fetch('/render?visitor=ada'),
    program.fetch('/nowhere'),
    program.fetch('//'),
    program.fetch('/render', { method: 'DELETE' }),
    program.fetch('/nowhere', { method: 'POST' }),
    program.fetch('/echo', { method: 'POST', body: 'hello' }),
    program.fetch('/echo', { method: 'POST', body: 'x'.repeat(echo.bytes + 1) }),
  ])
  await tellsAllAtOnce(program)
  const servers = answers.map((answer) => (answer.ok ? answer.servedBy?.pid : undefined))
  // A reset tells nobody who gave it.
  const due = servers.includes(undefined) ? undefined : tally(servers.map(String))
  await expectCounts(
    program,
    before,
    { total: answers.length, due },
    {
      likely:
        'not every worker is asked for its numbers, or a request that is refused is not counted: count first, then decide',
      read: 'numbers-of-every-worker',
    },
  )
})

/**
 * Several scrapes at once, as of two servers that watch, while a worker is busy for a moment. Whether they wait for it
 * is the program's to say; none takes away what another one waits for.
 */
async function tellsAllAtOnce(program: Program): Promise<void> {
  const busy = block(program, oneWorker(program), 150)
  const texts = await Promise.all(Array.from({ length: 4 }, () => scrape(program)))
  await busy
  const sizes = texts.map((text) => {
    const named = readExposition(text).samples.filter(({ name }) => name === 'http_requests_total')
    return new Set(named.map(({ labels }) => labels.worker)).size
  })
  holds(Math.min(...sizes) === Math.max(...sizes), {
    expected: 'four scrapes at once all have a series for each worker',
    got: `they have ${sizes.join(', ')}`,
    likely: 'there is room for the answers of one gathering, and the next one takes it: give each an id',
    read: 'numbers-of-every-worker',
    repeat: repeatScrape(program),
  })
}

/** How often each value is there, in rising order. */
function tally(values: readonly string[]): readonly number[] {
  const counts = new Map<string, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return [...counts.values()].sort((a, b) => a - b)
}

/** So many requests more than before are counted within 2 s, in all and by worker. */
async function expectCounts(
  program: Program,
  before: Series,
  { total, due }: { readonly total: number; readonly due?: readonly number[] | undefined },
  advice: { readonly likely: string; readonly read: string },
): Promise<void> {
  let counted: readonly number[] = []
  const count = async (): Promise<readonly number[]> => {
    const now = await series(program, 'http_requests_total', 'counter')
    // A worker that has died may leave its series, or take it along.
    const grown = [...now].map(([worker, count]) => count - (before.get(worker) ?? 0))
    return grown.filter((count) => count !== 0).sort((a, b) => a - b)
  }
  const look = async (): Promise<true | undefined> => {
    // Twice, since a scrape must not take away what it tells.
    for (let again = 0; again < 2; again += 1) {
      counted = await count()
      const all = counted.reduce((sum, count) => sum + count, 0)
      if (all !== total || (due !== undefined && String(counted) !== String(due))) return undefined
    }
    return true
  }
  const right = await program.eventually(look, { within: seconds(2) })
  holds(right === true, {
    expected: `${total} requests more are counted${due === undefined ? '' : `, by worker: ${due.join(' and ')}`}`,
    got: counted.length === 0 ? 'none of them' : `by worker: ${counted.join(' and ')}`,
    ...advice,
    repeat: repeatScrape(program),
  })
}

const BLOCK_MS = 600

check('utilisation is a delta, and memory is that of each worker', async () => {
  await atOnce.tellsWhatWorkersUse()
})

async function tellsWhatWorkersUse(): Promise<void> {
  await using program = await start({ ...two, fresh: true })
  // A machine that stalls may blur what a block shows: one of three is clear.
  let seen = await watchBlock(program)
  for (let more = 0; more < 2 && !isDelta(seen); more += 1) seen = await watchBlock(program)
  holds(isDelta(seen), {
    expected: `${BLOCK_MS} ms of ${Math.round(seen.timeMs)} between two scrapes were blocked in one worker: event_loop_utilization near ${(BLOCK_MS / seen.timeMs).toFixed(2)} for that one, near 0 for the other, and near 0 for both in the next two scrapes`,
    got: `${describe(seen.busy)}, then ${describe(seen.idle)}`,
    likely: [...seen.busy, ...seen.idle].some((value) => value > 1)
      ? 'a percentage, or a time, where a ratio is asked for'
      : 'it is counted since the start, or over a time of its own, and not since the last scrape',
    read: 'utilisation-is-a-delta',
    repeat: repeatScrape(program),
  })
  await tellsMemory(program)
}

/** Utilizations in falling order. */
interface Utilization {
  readonly timeMs: number
  readonly busy: readonly number[]
  readonly idle: readonly number[]
}

async function watchBlock(program: Program): Promise<Utilization> {
  const ask = async (): Promise<readonly number[]> =>
    [...(await series(program, 'event_loop_utilization', 'gauge')).values()].sort((a, b) => b - a)
  await ask()
  const since = performance.now()
  await block(program, oneWorker(program), BLOCK_MS)
  await pause(2 * BLOCK_MS)
  const timeMs = performance.now() - since
  const busy = await ask()
  const idle: number[] = []
  // Whoever keeps the wrong one of two readings is right once, and wrong after that.
  for (let scrapes = 0; scrapes < 2; scrapes += 1) {
    await pause(BLOCK_MS)
    idle.push(...(await ask()))
  }
  return { timeMs, busy, idle }
}

function oneWorker(program: Program) {
  return program.atLeast(1)[0]
}

function isDelta({ timeMs, busy: [blocked = -1, ...others], idle }: Utilization): boolean {
  const due = BLOCK_MS / timeMs
  const isNear = blocked >= due * 0.7 && blocked <= Math.min(1, due + 0.25)
  return isNear && others.length > 0 && [...others, ...idle].every((value) => value >= 0 && value < 0.25)
}

function describe(values: readonly number[]): string {
  return values.map((value) => Number(value.toFixed(3))).join(' and ')
}

const MEBIBYTE = 1024 ** 2

async function tellsMemory(program: Program): Promise<void> {
  const name = 'process_resident_memory_bytes'
  const before = await series(program, name, 'gauge')
  await allocate(program, oneWorker(program), 128 * MEBIBYTE)
  let grown: readonly number[] = []
  const look = async (): Promise<true | undefined> => {
    const now = await series(program, name, 'gauge')
    grown = [...now].map(([worker, bytes]) => (bytes - (before.get(worker) ?? 0)) / MEBIBYTE)
    return grown.filter((mebibytes) => mebibytes > 90 && mebibytes < 512).length === 1 || undefined
  }
  const told = await program.eventually(look, { within: seconds(3) })
  holds(told === true && Math.min(...before.values()) > 16 * MEBIBYTE, {
    expected: `${name} is in bytes, and that of one worker grows by 128 MiB when it takes so much`,
    got: `it was ${[...before.values()].join(' and ')}, and grew by ${grown.map((mebibytes) => mebibytes.toFixed(1)).join(' and ')} MiB`,
    likely:
      'it is the memory of the primary, the heap, or a maximum in KiB (resourceUsage().maxRSS); process.memoryUsage.rss() is in bytes',
    read: 'heaps-add-up',
    repeat: repeatScrape(program),
  })
}

check('a scrape does not wait for a worker that stands still, and knows those that are new', async () => {
  await atOnce.gathersInTime()
})

async function gathersInTime(): Promise<void> {
  await using program = await start({ ...two, fresh: true })
  const read = 'a-gather-has-a-deadline'
  await scrape(program)
  {
    await using _ = await stop(program, oneWorker(program))
    // Some libraries give up after 5 s.
    const answer = await program.admin('/metrics', { headers: bearer, within: seconds(8) })
    await program.mustBeAlive()
    holds(answer.ok, {
      expected: '/metrics is answered within 6 s while one worker is stopped (SIGSTOP)',
      got: describeAnswer(answer),
      likely: 'the primary waits for the answers of all workers, without a deadline',
      read,
      repeat: repeatScrape(program),
    })
  }
  const lost = await program.killOneWorker()
  await expect(program).toReplace(lost, { within: seconds(5), read: 'the-contract' })
  const before = await series(program, 'http_requests_total', 'counter')
  const answers = await Promise.all(
    Array.from({ length: 10 }, () => program.get('/', { read: 'the-contract' })),
  )
  await expectCounts(
    program,
    before,
    { total: answers.length },
    {
      likely: 'only the first workers are asked for their numbers, or listened to',
      read,
    },
  )
}

check('signatures are right, from every worker', async () => {
  await inOrder([signsEverywhere(), outlivesTheAsking()])
})

/** Workers die while they wait for signatures, which come when they have gone. */
async function outlivesTheAsking(): Promise<void> {
  await using program = await start({ ...two, fresh: true })
  const clients = keepAsking(program.port, '/sign', { method: 'POST', body: 'a text', clients: 16 })
  try {
    for (let deaths = 0; deaths < 3; deaths += 1) {
      await pause(150)
      const lost = await program.killOneWorker()
      const likely = 'an answer is sent to a worker that has gone, which is an error event that nobody hears'
      await expect(program).toReplace(lost, { within: seconds(5), likely, read: 'the-contract' })
    }
  } finally {
    await clients.stop()
  }
  await signs(program, 'after all')
}

async function signsEverywhere(): Promise<void> {
  await using program = await start(two)
  for (const text of [
    'hello',
    '',
    '"\\\u0000\n',
    'Zoë 漢字 🧮',
    'x'.repeat(4096),
    'é'.repeat(2048),
    '\uFEFFmarked',
  ])
    await signs(program, text)
  await signsInPieces(program)
  // Many at once, and under load, since nothing is promised about who answers on an idle machine.
  const wanted = program.listening.map(({ pid }) => pid)
  const met = new Set<number | undefined>()
  const pages = keepAsking(program.port, '/render?visitor=load', { clients: 4 })
  const look = async (): Promise<true | undefined> => {
    const texts = Array.from({ length: 20 }, (_, index) => `text ${met.size} ${index}`)
    for (const server of await Promise.all(texts.map((text) => signs(program, text)))) met.add(server)
    return wanted.every((pid) => met.has(pid)) || undefined
  }
  try {
    holds((await program.eventually(look, { within: seconds(10) })) === true, {
      expected: `all ${wanted.length} workers answer /sign under load within 10 s`,
      got: `${met.size} of them did`,
      ...signing(program),
    })
  } finally {
    await pages.stop()
  }
}

function signing(program: Program) {
  return {
    read: 'the-key-stays-with-the-primary',
    repeat: `${program.command} & sleep 2; curl -s -d hello localhost:8000/sign; printf hello | openssl dgst -sha256 -hmac ${KEY}; kill %1`,
  }
}

/** POST /sign answers the signature of this text; resolves to the pid of who answered. */
async function signs(program: Program, text: string): Promise<number | undefined> {
  const answer = await program.get('/sign', {
    method: 'POST',
    body: text,
    headers: { 'content-type': 'text/plain; charset=utf-8' },
    expected: `POST /sign with ${nameOf(text)} answers 200`,
    ...signing(program),
  })
  const signature = jsonOf(answer)?.signature
  isSignature(program, text, typeof signature === 'string' ? signature : answer.text)
  return answer.servedBy?.pid
}

function isSignature(program: Program, text: string, got: string): void {
  const due = signatureOf(KEY, text)
  holds(got.toLowerCase() === due, {
    expected: `{ "signature": "${due}" } for ${nameOf(text)}`,
    got: got.slice(0, 120) || 'an empty answer',
    likely:
      'it is the signature of another request, of a text that was decoded in pieces, or under another key',
    ...signing(program),
  })
}

function nameOf(text: string): string {
  return text.length > 40 ? `a text of ${Buffer.byteLength(text)} bytes` : `the text ${JSON.stringify(text)}`
}

/** A character that arrives in two pieces. */
async function signsInPieces(program: Program): Promise<void> {
  const text = 'to 漢字 and back'
  const bytes = Buffer.from(text)
  using request = openRequest(program.port, '/sign', { method: 'POST' })
  request.write(bytes.subarray(0, 4))
  await pause(50)
  await request.end(bytes.subarray(4)).untilOver()
  isSignature(program, text, /[\da-f]{64}/i.exec(request.text)?.[0] ?? request.text)
}

check('only the primary holds the key', async () => {
  await inOrder([keepsTheKey(), keepsTheKeyWithoutAToken()])
})

async function keepsTheKeyWithoutAToken(): Promise<void> {
  await using program = await start({ workers: 2, env: { SIGNING_KEY: KEY }, fresh: true })
  await signs(program, 'without a token')
  await keyIsNowhereElse(program)
}

async function keepsTheKey(): Promise<void> {
  await using program = await start({ ...two, fresh: true, recordMessages: true })
  await useAll(program)
  await keyIsNowhereElse(program)
  const lost = await program.killOneWorker()
  await expect(program).toReplace(lost, { within: seconds(5), read: 'the-contract' })
  await useAll(program)
  await keyIsNowhereElse(program)
}

/** Whatever could make the key go somewhere. */
async function useAll(program: Program): Promise<void> {
  await scrape(program)
  await Promise.all(Array.from({ length: 12 }, (_, index) => signs(program, `text ${index}`)))
  const answers = await Promise.all(['/', '/nowhere', '/sign'].map((path) => program.fetch(path)))
  const isTold = answers.some(
    (answer) => answer.ok && formsOf(KEY).some((form) => answer.text.includes(form)),
  )
  holds(!isTold, { expected: 'no answer tells SIGNING_KEY', got: 'one does', ...signing(program) })
}

async function keyIsNowhereElse(program: Program): Promise<void> {
  const found = await findSecret(program, KEY)
  holds(found === undefined, {
    expected: 'SIGNING_KEY is known to the primary and to nobody else',
    got: `it is in ${found?.where}`,
    likely: {
      environment:
        'cluster.fork() hands each worker a copy of process.env: take the key out of it before the first fork',
      'command line': 'every user of a machine can read the command lines of all processes',
      message: 'the text has to go to where the key is, and not the key to the text',
      log: 'logs are kept, copied, and read by many',
      memory: 'it came to that process in another way: through a file, a socket, or a pipe',
    }[found?.place ?? 'memory'],
    ...signing(program),
  })
}

check('a forged message gets no signature, and ends nothing', async () => {
  await using program = await start({ ...two, fresh: true, recordMessages: true })
  const text = 'this text is to be signed'
  await signs(program, text)
  await scrape(program)
  const sent = program.eventsOf('message').filter(({ to }) => to === null)
  const kinds = [...new Map(sent.map(({ json }) => [kindOf(json), parsed(json)])).values()]
  const worker = oneWorker(program)
  const mark = program.lastSeq
  const advice = { read: 'a-workers-message-is-input', repeat: program.command }

  // `map` inside: a message may be a list, which another flatMap would take apart.
  const forged = kinds
    .flatMap((message) => FORGERIES.map((into) => forge(message, text, into)))
    .filter((message) => message !== undefined)
  for (const message of forged) await sendMessage(program, worker, message)
  await program.quiet(250)
  await endsNothing(program)
  const texts = FORGERIES.flatMap((into) => (typeof into === 'string' ? [signatureOf(KEY, into)] : []))
  const innocent = sent.map(({ json }) => json).join('\n')
  const told = program
    .eventsOf('message')
    .filter(({ seq, pid }) => seq > mark && pid === program.pid)
    .find(({ json }) => bearsSignature(json, texts, innocent))
  holds(told === undefined, {
    ...advice,
    expected:
      'a worker that asks to sign what is no text, or one of more than 4,096 bytes, gets no signature',
    got: 'the primary sent it one',
    likely: 'type and size are looked at in the worker only: what a worker says is input, too',
  })

  for (const message of [...JUNK, ...kinds.flatMap(maimed)]) await sendMessage(program, worker, message)
  await program.quiet(250)
  await endsNothing(program)
  await signs(program, 'afterwards')
  await scrape(program)
  if (forged.length === 0)
    note('No request for a signature was recognised in the messages of the workers, so none was forged.')
})

const FORGERIES: readonly unknown[] = [
  'x'.repeat(4097),
  'é'.repeat(2049),
  'x'.repeat(1_000_000),
  42,
  true,
  null,
  undefined,
  {},
  { length: 4, toString: 'text' },
]

const JUNK: readonly unknown[] = [
  ...junkMessages,
  { type: 'sign' },
  { type: 'metrics', id: 1, metrics: [null] },
  { type: 'prom-client:getMetricsRes', requestId: -1 },
]

async function endsNothing(program: Program): Promise<void> {
  await program.mustBeAlive()
  const gone = program.workers.filter(({ state }) => state !== 'listening').length
  holds(gone === 0, {
    expected: 'no process ends because of a message that makes no sense',
    got: `${gone} of ${program.workers.length} workers ended`,
    read: 'a-workers-message-is-input',
    repeat: program.command,
  })
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return null // a message so long that it was cut
  }
}

/** The same for two messages that differ in their values only, but for words that may say what a message is. */
function kindOf(json: string): string {
  const message = parsed(json)
  if (typeof message !== 'object' || message === null) return typeof message
  const isWord = (value: unknown): boolean => typeof value === 'string' && /^[a-z_:.-]{1,30}$/i.test(value)
  return Object.entries(message)
    .map(([name, value]) => `${name}=${isWord(value) ? value : typeof value}`)
    .join()
}

check('a client gets only so much room and time', async () => {
  await atOnce.boundsClients()
})

async function boundsClients(): Promise<void> {
  await using program = await start(two)
  // Others come meanwhile, as in any service.
  const others = keepAsking(program.port, '/', { clients: 2, pauseMs: 250 })
  try {
    await inOrder([
      echoesWhole(program, echo),
      echoesApart(program, echo),
      cutsUploadsShort(program, echo),
      refusesToSignMore(program),
      survivesNonsense(program, echo),
      boundsSlowClients(program, 'time-for-the-headers'),
    ])
  } finally {
    await others.stop()
  }
  await program.mustBeAlive()
}

const echo = { path: '/echo', bytes: 64 * 1024, read: 'stop-reading-at-the-limit' }

async function refusesToSignMore(program: Program): Promise<void> {
  const answer = await program.fetch('/sign', { method: 'POST', body: 'é'.repeat(2049) })
  holds(!answer.ok || answer.status === 413, {
    expected: 'POST /sign with 4,098 bytes (2,049 characters) answers 413',
    got: describeAnswer(answer),
    likely: 'characters are counted, and not bytes',
    read: echo.read,
    repeat: program.commandWith('/sign', 'POST'),
  })
}

const places = { path: '/report', admit: 'admit-or-refuse', hangUp: 'a-client-that-hangs-up' }

check('a report is right, and what is too much is refused', async () => {
  await using program = await start({ ...two, fresh: true })
  const words = await wordsOfAReport()
  const alone: number[] = []
  while (alone.length < 3) alone.push((await reports(program, words)).ms)
  for (const worker of program.listening) await watchRequests(program, worker)

  const counts = await series(program, 'http_requests_total', 'counter')
  const before = await program.usage()
  const burst = Array.from({ length: 12 }, () => follow(program, '/report'))
  await Promise.all(burst.map((one) => one.open.untilOver(seconds(30))))
  const taken = takenBetween(before, await program.usage())
  const advice = { read: places.admit, repeat: repeatBurst(program, places.path) }
  const admitted = burst.filter(({ status }) => status === 200)
  const refused = burst.filter(({ status }) => status === 503)
  holds(admitted.length + refused.length === burst.length && admitted.length > 0, {
    ...advice,
    expected: 'of 12 reports at once, some are answered, and the others get 503',
    got: statusesOf(burst),
  })
  for (const { open } of admitted) isReport(program, open.text, words)
  await expectCounts(
    program,
    counts,
    { total: burst.length },
    {
      likely: 'a report that has waited is counted again when its turn comes, or one that is refused is not',
      read: 'numbers-of-every-worker',
    },
  )
  const together = heldTogether(admitted)
  holds(refused.length > 0 && together <= 4, {
    ...advice,
    expected: 'of 12 reports at once, 2 workers take at most 4: in each, one is in progress and one waits',
    got: `${together} were taken before one of them had ended (in all ${statusesOf(burst)})`,
    likely: 'a queue has no end, or reports run in one go: meanwhile nobody is there to refuse the next',
  })
  const later = refused.map(({ open }) => open.head?.headers['retry-after'])
  holds(later.every(isRetryAfter), {
    ...advice,
    expected: '503 comes with Retry-After: a number of seconds, or a date',
    got: `Retry-After: ${later.find((value) => !isRetryAfter(value)) ?? 'is missing'}`,
  })
  const longest = Math.max(...admitted.map(({ arrivedAt = 0, closedAt = 0 }) => closedAt - arrivedAt))
  const bound = 4 * Math.max(median(alone), 50) + taken
  holds(longest <= bound, {
    ...advice,
    expected: `with 2 workers, no report that is taken lasts longer than 4 reports alone: here ${Math.round(bound)} ms`,
    got: `one took ${Math.round(longest)} ms`,
    likely: 'more of them wait, or run at the same time, than there are places',
  })
  await reports(program, words)
  await runsOneInEach(program, places)
})

async function wordsOfAReport(): Promise<number> {
  await using reference = await startReference(0)
  return 40 * Number((await reference.get('/words?visitor=report')).text)
}

/** A report that is asked for alone, and that is right. */
async function reports(program: Program, words: number): Promise<Answer> {
  const answer = await program.get('/report', {
    within: seconds(20),
    expected: 'a report that is asked for alone answers 200',
    likely: 'a place that was taken is not given back',
    read: places.admit,
  })
  isReport(program, answer.text, words)
  return answer
}

function isReport(program: Program, text: string, words: number): void {
  holds(new RegExp(String.raw`"words"\s*:\s*${words}\b`).test(text), {
    expected: `/report answers { "words": ${words} }: countWords(renderHandbook('report')), 40 times`,
    got: text.slice(0, 120),
    likely: 'two reports add to one variable, or it is not 40 renders',
    read: places.admit,
    repeat: program.commandWith('/report'),
  })
}

check('one report at a time in a worker, and a client that hangs up frees its place', async () => {
  await using program = await start({ workers: 1, env, fresh: true })
  const words = await wordsOfAReport()
  await reports(program, words)
  let ms = 0
  const cost = await cpuOf(program, async () => {
    ;({ ms } = await reports(program, words))
  })
  for (const worker of program.listening) await watchRequests(program, worker)
  const waits = await runsOneAtATime(program, places)
  if (waits) await freesWaitingPlace(program, places)
  else note('A second report is refused at once, where it might wait for the first.')
  await freesItsPlace(program, places, { waits, ms })
  await hasNoMorePlaces(program, places, { waits })
  await givesUpItsWork(program, places, cost)
  await reports(program, words)
})

check('light requests are answered while reports run', async () => {
  await using program = await start(two)
  await using reference = await startReference(2)
  const theirs = await askBesideHeavy(reference, places.path)
  const yours = await askBesideHeavy(program, places.path)
  const advice = { read: 'slices-or-threads', repeat: repeatBurst(program, places.path) }
  holds(yours.failures === '' && yours.done > 0, {
    ...advice,
    expected: 'while reports run, every GET / is answered 200, and some reports are answered, too',
    got: yours.failures === '' ? 'no report was answered' : yours.failures,
  })
  const bound = theirs.slow / 3
  holds(yours.slow <= bound, {
    ...advice,
    expected: `95 % of the light requests are answered within ${Math.round(bound)} ms: a third of what it takes where reports run in one go`,
    got: `${Math.round(yours.slow)} ms`,
    likely: 'a report runs in one go, in few long slices, or yields to microtasks only',
  })
})

check('every page is rendered for its visitor', async () => {
  await using program = await start(two)
  await servesPages(program, 'one-page-one-render')
})

check('unknown paths and wrong methods are refused, and nothing ends', async () => {
  await using program = await start(two)
  await refusesOddRequests(program, ['/', '/render', '/report'], 'refuse-what-you-do-not-serve', [
    'POST /echo',
    'POST /sign',
  ])
})

check('the workers share the load', async () => {
  await using program = await start({ workers: workersUnderLoad(), env })
  await expect(program).toGetShare(0.6, { read: 'sharing-the-load' })
})

check('SIGTERM ends the program', async () => {
  await using program = await start(two)
  await endsOnSigterm(program, 'the-end-of-the-program')
})

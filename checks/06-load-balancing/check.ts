import {
  addressesOf,
  askRaw,
  asUser,
  check,
  describeAnswer,
  dieAtRequest,
  endsOnSigterm,
  endsWhileOneStarts,
  expect,
  expectPromptBesideReports,
  fieldsOf,
  giveNextForks,
  holds,
  inOrder,
  isLoopback,
  jsonOf,
  keptConnection,
  occupy,
  openRaw,
  openRequest,
  partAnsweredBy,
  patientNow,
  pause,
  refusesOddRequests,
  seconds,
  servesPages,
  sideBySide,
  start,
  stop,
  valuesOf,
  watchRequests,
  workerOf,
  workersListed,
  workersOf,
  workersUnderLoad,
  type Fields,
  type OpenRequest,
  type Program,
} from '#harness'

const users = Array.from({ length: 90 }, (_, index) => `user-${index + 1}`)
const thirty = users.slice(0, 30)

interface Advice {
  readonly read: string
  readonly repeat: string
}

/** The second one mostly waits, from the first check on, until its own asks for it. */
const fromTheStart = sideBySide({ isProxy, waitsForTheSlow })

check('the primary is a proxy, and each worker listens for itself', async () => {
  await fromTheStart.isProxy()
})

async function isProxy(): Promise<void> {
  await using program = await start({ proxy: true })
  await isHome(program, undefined)
  await isHome(program, 'ann')
  // It may have opened a moment after PORT.
  await program.eventually(async () => (await program.admin('/workers')).ok || undefined, {
    within: seconds(2),
  })
  listensPrivately(program)
  await listsWorkers(program, 'listening')
  const [slow, report] = await Promise.all([duration(program, '/slow?ms=300'), duration(program, '/report')])
  holds(slow >= 290 && report >= 150, {
    expected: '/slow?ms=300 takes 300 ms, and /report is a job of about 300 ms',
    got: `${slow.toFixed(0)} ms and ${report.toFixed(0)} ms`,
    likely: 'the routes of the starter are changed, or the primary answers them',
    read: 'the-contract',
    repeat: program.commandWith('/report'),
  })
  await using renewed = await start({ workers: 1, fresh: true, proxy: true })
  await expect(renewed).toReplace(await renewed.killOneWorker(), {
    within: seconds(5),
    read: 'the-contract',
  })
  listensPrivately(renewed)
}

/** By the clock on the wall: nobody can be too fast for want of a core. */
async function duration(program: Program, path: string): Promise<number> {
  const begun = performance.now()
  await program.get(path, { read: 'the-contract' })
  return performance.now() - begun
}

async function isHome(program: Program, user: string | undefined): Promise<void> {
  const read = 'the-contract'
  const answer = await program.get('/', { headers: asUser(user), read })
  const worker = program.workers.find(({ pid }) => pid === answer.servedBy?.pid)
  const { pid, worker: id, user: named } = jsonOf(answer) ?? {}
  holds(worker !== undefined && pid === worker.pid && id === worker.id && named === (user ?? null), {
    expected: `/ ${user === undefined ? 'without x-user' : `with x-user: ${user}`} answers { pid, worker, user } of the worker that serves it, user being ${JSON.stringify(user ?? null)}`,
    got: worker === undefined ? `an answer of no worker: ${describeAnswer(answer)}` : describeAnswer(answer),
    likely:
      worker === undefined
        ? "the primary answers by itself, or the headers of a worker's answer get lost on the way"
        : 'pid and worker are those of the process that answers, and user is the header as it came',
    read,
    repeat: program.commandWith('/'),
  })
}

function listensPrivately(program: Program): void {
  const listens = program.eventsOf('server-listening').flatMap((event) => {
    const isWorker = program.listening.some(({ pid }) => pid === event.pid)
    return isWorker ? [{ ...event, at: event.path ?? `${event.address}:${event.port}` }] : []
  })
  const advice = { read: 'a-private-listener-for-each-worker', repeat: program.command }
  const shared = listens.find(({ at, pid }) => listens.some((other) => other.at === at && other.pid !== pid))
  holds(shared === undefined, {
    expected: 'each worker listens where no other does, so that the primary can tell them apart',
    got: `several workers listen on ${shared?.at}`,
    likely: 'listen(0) in a cluster worker asks the primary, which gives all of them the same free port',
    ...advice,
  })
  const { adminPort } = program.identity
  for (const { port } of [...listens, { port: adminPort }]) {
    const open = port === undefined ? [] : addressesOf(program, port).filter((at) => !isLoopback(at))
    holds(open.length === 0, {
      expected:
        port === adminPort
          ? 'the admin interface listens on loopback only'
          : 'a worker listens on loopback only, or on a Unix socket',
      got: `it listens on ${open.join(' and ')}, where other machines get to`,
      likely: "listen(port) without a host listens on every address: name '127.0.0.1'",
      ...advice,
    })
  }
}

/** All workers that live are in the list, and nobody else. */
async function listsWorkers(program: Program, state: 'starting' | 'listening'): Promise<void> {
  const read = 'the-contract'
  const list = await workersListed(program, read)
  const alive = program.workers.filter((worker) => worker.state !== 'gone')
  const are = (all: readonly { readonly id: number; readonly pid: number }[], states: readonly string[]) =>
    all.map(({ id, pid }, index) => `worker ${id}, pid ${pid}, ${states[index]}`).join('; ')
  const wanted = are(
    alive,
    alive.map(() => state),
  )
  const byId = list.toSorted((a, b) => a.id - b.id)
  const got = are(
    byId,
    byId.map((listed) => listed.state),
  )
  holds(got === wanted, {
    expected: `GET /workers on ADMIN_PORT lists ${wanted}`,
    got: got || 'nobody',
    likely: 'the list is of those that live now, in the state in which they are now',
    read,
    repeat: program.commandWith('/workers', 'GET', '9000'),
  })
}

check('a user always reaches the same worker', async () => {
  await using program = await start({ workers: 3, proxy: true })
  const advice = { read: 'one-user-one-worker', repeat: asUserOne(program) }
  const first = await workersOf(program, thirty, advice.read)
  for (let round = 1; round <= 3; round += 1) {
    // In another order each time: whoever deals thirty requests out in turn gives each of three workers the same ten.
    const order = [...thirty.slice(round), ...thirty.slice(0, round)]
    staysPut(program, first, await workersOf(program, order, advice.read), {
      expected: 'while its worker lives, a user reaches that worker only, over fresh connections',
      likely: 'the choice looks at something else than x-user: a turn, a random number, the connection',
      ...advice,
    })
  }
  {
    await using crowd = await occupy(program, ['user-1'], 20)
    const pid = first.get('user-1')
    const elsewhere = crowd.requests.filter(({ head }) => head?.servedBy && head.servedBy.pid !== pid)
    holds(elsewhere.length === 0, {
      expected: 'of 20 requests of one user at once each reaches the worker of that user',
      got: `${elsewhere.length} reached ${idOf(program, elsewhere[0]?.head?.servedBy?.pid)}, and not ${idOf(program, pid)}`,
      likely: 'a user is sent elsewhere when the own worker has much to do',
      ...advice,
    })
  }
  using kept = keptConnection()
  const onOne = new Map<string, number>()
  for (const user of thirty.toReversed())
    onOne.set(user, await workerOf(program, user, { ...kept, ...advice }))
  staysPut(program, first, onOne, {
    expected:
      'users whose requests share one kept connection, as behind another proxy, each reach their own worker',
    likely: 'the choice is made once for a connection, and not for each request',
    ...advice,
  })
})

check('users spread over the workers', async () => {
  await using program = await start({ workers: 3, proxy: true })
  const read = 'a-hash-that-spreads'
  const pids = [...(await workersOf(program, users, read)).values()]
  const counts = program.listening.map(({ pid }) => pids.filter((one) => one === pid).length)
  holds(Math.max(...counts) <= 54, {
    expected: 'of the 90 users user-1 to user-90, none of the three workers has more than 54',
    got: `they have ${counts.toSorted((a, b) => b - a).join(', ')}`,
    likely:
      'the choice does not depend on x-user, or the hash hardly differs from one name to the next: take one of node:crypto',
    read,
    repeat: asUserOne(program),
  })
})

check('bodies stream, both ways', async () => {
  await using program = await start({ workers: 3, proxy: true })
  const advice = { read: 'pass-bodies-on-as-they-come', repeat: program.commandWith('/echo', 'POST') }
  const body = Buffer.from(Array.from({ length: 60_000 }, (_, line) => `${line} Zoë 漢字 🧮\n`).join(''))
  const piece = 65_537
  using upload = openRequest(program.port, '/echo', { method: 'POST' })
  upload.write(body.subarray(0, piece))
  await beginsItsAnswer(program, upload, {
    expected: 'POST /echo begins its answer while the upload goes on',
    likely: 'a body is collected whole before it is passed on',
    ...advice,
  })
  for (let at = piece; at < body.length; at += piece) upload.write(body.subarray(at, at + piece))
  const whole = await upload.end().untilOver()
  holds(whole && upload.text === body.toString(), {
    expected: `POST /echo answers the ${body.length} bytes of its body, to the byte`,
    got: upload.failure ?? (upload.over ? `${upload.bytes} bytes, or others` : `${upload.bytes}, and no end`),
    likely: 'pieces of a body become text on the way, and a character that is cut in two is lost',
    ...advice,
  })
  using small = openRequest(program.port, '/echo', { method: 'POST', headers: { 'content-length': '1000' } })
  small.write(body.subarray(0, 500))
  await beginsItsAnswer(program, small, {
    expected: 'POST /echo of 1,000 bytes, of which 500 have come, begins its answer',
    likely: 'a body that announces its length is collected before it is passed on',
    ...advice,
  })
  const announced = body.subarray(0, 100_000)
  const { text } = await program.get('/echo', { method: 'POST', body: announced, ...advice })
  holds(text === announced.toString(), {
    expected: 'POST /echo with a content-length answers its body, to the byte',
    got: `${text.length} characters that differ`,
    ...advice,
  })
  await program.get('/render?visitor=head', { method: 'HEAD', ...advice })
})

async function beginsItsAnswer(
  program: Program,
  upload: OpenRequest,
  finding: Advice & { readonly expected: string; readonly likely: string },
): Promise<void> {
  const begins = (): true | undefined => upload.bytes > 0 || upload.failure !== undefined || undefined
  await program.until(begins, { within: seconds(10) })
  holds(upload.bytes > 0, {
    ...finding,
    got: upload.failure ?? 'nothing, as long as the upload had not ended',
  })
}

check("a dead worker's users move, and nobody else's", async () => {
  await using program = await start({ workers: 3, fresh: true, proxy: true })
  const advice = { read: 'places-and-not-workers', repeat: asUserOne(program) }
  const now = (of = thirty): Promise<ReadonlyMap<string, number>> => workersOf(program, of, advice.read)
  const first = await now()
  const dead = first.get('user-1') ?? 0
  const others = only(first, (pid) => pid !== dead)
  const theirs = thirty.filter((user) => !others.has(user))
  const othersStay = (where: ReadonlyMap<string, number>, when: string): void =>
    staysPut(program, others, where, {
      expected: `${when}, the users of the other two workers stay where they are`,
      likely:
        'who gets a user depends on how many workers there are, or on their ids or ports, and these change when one dies',
      ...advice,
    })

  await giveNextForks(program, { holdListen: true })
  const lost = await program.killOneWorker(program.listening.find(({ pid }) => pid === dead))
  othersStay(await now([...others.keys()]), 'at the death of a worker')
  await program.until(() => isGone(program, dead), { within: seconds(5) })
  // A primary that only learns of it now may send a request on from the dead one to anybody.
  await now(theirs)
  const meanwhile = await now()
  for (let round = 1; round <= 2; round += 1) {
    const where = await now()
    othersStay(where, 'while a dead worker is not yet replaced')
    staysPut(program, new Map(theirs.map((user) => [user, meanwhile.get(user) ?? 0])), where, {
      expected: 'while a dead worker is not yet replaced, each of its users stays with one of the others',
      likely: 'there is no fixed second choice for the users of a worker that is missing',
      ...advice,
    })
  }

  await giveNextForks(program, {})
  await program.until(() => program.eventsOf('listen-held')[0], { within: seconds(5) })
  await program.releaseListen()
  await expect(program).toReplace(lost, { within: seconds(5), read: 'the-contract' })
  const replacement = program.listening.find(({ forkedSeq }) => forkedSeq > lost.lostAfter)?.pid
  // The primary may hear of it in any of these rounds.
  let last = meanwhile
  for (let round = 1; round <= 4; round += 1) {
    const where = await now()
    othersStay(where, 'when the replacement of a dead worker listens')
    const stray = theirs.find((user) => where.get(user) !== last.get(user) && where.get(user) !== replacement)
    const way = [first, meanwhile, last, where].map((map) => idOf(program, map.get(stray ?? '')))
    holds(stray === undefined, {
      expected: "a dead worker's users stay where they went, or return to its replacement, once",
      got: `${stray} went from ${way.join(' to ')}`,
      likely: 'who gets a user depends on ids or ports of workers, which change with a replacement',
      ...advice,
    })
    last = where
  }
})

check('other requests go to the worker with the fewest in flight', async () => {
  await using program = await start({ workers: 3, proxy: true })
  const advice = { read: 'the-fewest-in-flight', repeat: program.commandWith('/') }
  const userOf = await userOfEach(program)
  for (const idle of [...userOf.keys()].slice(0, 2)) {
    await using _busy = await occupy(program, [...only(userOf, (_user, pid) => pid !== idle).values()], 8)
    const part = await partAnsweredBy(program, idle, { requests: 200, clients: 4, ...advice })
    holds(part >= 0.42, {
      expected:
        'while two workers have 8 requests in flight each, and the third none, requests without x-user go to the third',
      got: `${percent(part)} of 200 requests did`,
      likely:
        part > 0.2
          ? 'they are dealt out in turn or at random, without a look at who is busy'
          : 'not every request is in flight until its answer is whole: those with x-user are, and those whose answer has begun',
      ...advice,
    })
  }
  await spreadsAtOnce(program, advice)
})

/** Each counts from when it is passed on, and the next one sees it: also where they come in the same moment. */
async function spreadsAtOnce(program: Program, advice: Advice): Promise<void> {
  const many = Array.from({ length: 30 }, () => openRequest(program.port, '/slow?ms=700').end())
  await Promise.all(many.map((request) => request.untilOver()))
  const counts = program.listening.map(
    ({ pid }) => many.filter(({ head }) => head?.servedBy?.pid === pid).length,
  )
  holds(Math.max(...counts) <= 16, {
    expected:
      '30 requests that come at once, and take 700 ms, are dealt out to the three workers: some 10 to each',
    got: counts.join(', '),
    likely:
      'who is the idlest is looked up now and then, or a request counts only when its worker has answered',
    ...advice,
  })
}

check('light requests do not wait behind reports', async () => {
  await using program = await start({ workers: 3, proxy: true })
  await reportsBlock(program, [...(await userOfEach(program)).values()][0] ?? '')
  await expectPromptBesideReports(program, 3, {
    likely: 'a worker in the middle of a report gets light requests, though others are free',
    read: 'the-fewest-in-flight',
  })
})

/** Its worker answers nothing else before the end of a report. */
async function reportsBlock(program: Program, user: string): Promise<void> {
  const advice = { read: 'the-contract', repeat: program.commandWith('/report') }
  using report = openRequest(program.port, '/report', { headers: asUser(user) }).end()
  await pause(100)
  await program.get('/', { headers: asUser(user), ...advice })
  const answered = patientNow()
  await report.untilOver()
  const later = patientNow() - answered
  holds(report.over && later < 100, {
    expected: '/report is one synchronous job: its worker answers nothing else before it has ended',
    got: report.over
      ? `its worker answered / in its middle, ${later.toFixed(0)} ms before its end`
      : 'no answer',
    likely: 'the report of the starter is changed: it yields, or another process does it',
    ...advice,
  })
}

check('a client that goes away leaves nothing behind', async () => {
  await using program = await start({ workers: 3, fresh: true, proxy: true })
  const advice = { read: 'whatever-ends-a-request', repeat: program.commandWith('/slow?ms=60000') }
  const userOf = await userOfEach(program)
  const [[target, user] = [0, '']] = userOf
  const others = only(userOf, (_user, pid) => pid !== target)
  await watchRequests(program, { pid: target })
  const headers = asUser(user)
  const waiting = Array.from({ length: 6 }, () =>
    openRequest(program.port, '/slow?ms=60000', { headers }).end(),
  )
  const begun = await occupy(program, Array<string>(6).fill(user), 1)
  const count = (type: 'request' | 'request-closed'): number => program.eventsOf(type).length
  await program.until(() => count('request') >= 12 || undefined, { within: seconds(10) })
  for (const client of [...waiting, ...begun.requests]) client[Symbol.dispose]()
  await program.until(() => count('request-closed') >= 12 || undefined, { within: seconds(2) })
  holds(!isGone(program, target), {
    expected: 'no worker ends because a client goes away',
    got: 'one did',
    likely: 'an upload that breaks off is an error, and an error that nobody handles ends the process',
    ...advice,
  })
  holds(count('request-closed') >= 12, {
    expected:
      'when a client goes away, before its answer or in its middle, the request to the worker is cancelled within 2 s',
    got: `of 12 requests that nobody waited for, ${12 - count('request-closed')} went on in the worker`,
    likely:
      "nothing looks at the 'close' of the response to the client, and destroys the request to the worker",
    ...advice,
  })
  {
    await using _busy = await occupy(program, [...others.values()], 5)
    const part = await partAnsweredBy(program, target, { requests: 100, clients: 2, ...advice })
    holds(part >= 0.42, {
      expected:
        'a request whose client went away is in flight no more: its worker is idle, and gets the next ones',
      got: `${percent(part)} of 100 requests went to it, while the others had 5 in flight each`,
      likely: 'the count goes down when an answer ends, and one that nobody takes never ends',
      ...advice,
    })
  }
  await using _busy = await occupy(program, [user], 3)
  const part = await partAnsweredBy(program, target, { requests: 60, clients: 1, ...advice })
  holds(part <= 0.3, {
    expected: 'a request whose client went away is counted down once',
    got: `${percent(part)} of 60 requests went to its worker with 3 in flight, while the others had none`,
    likely: 'two events of the same ending both count it down, and the worker seems to have fewer than none',
    ...advice,
  })
})

check('headers pass as they came, and hop-by-hop ones stay behind', async () => {
  await using program = await start({ workers: 3, fresh: true, proxy: true })
  const advice = { read: 'the-headers-of-a-proxy', repeat: asUserOne(program) }
  const target = { pid: await workerOf(program, 'user-1', advice) }
  await watchRequests(program, target, {
    'set-cookie': ['a=1; Path=/', 'b=2; Path=/; HttpOnly'],
    'x-plain-answer': 'kept',
    connection: 'X-Hop-Answer',
    'x-hop-answer': '1',
    'keep-alive': 'timeout=99',
    'proxy-connection': 'keep-alive',
    upgrade: 'h2c',
  })
  // What a URL's parser would write in another way: dots, an apostrophe, a plus.
  const url = "/a/../?as=plain&q=%2F+a%20b&it's=%C3%A9&empty="
  const kept = {
    host: 'handbook.example:8080',
    cookie: 'a=1; b=2',
    'x-plain': 'kept',
    'x-user': 'user-1',
  }
  const hops = ['Keep-Alive: timeout=99', 'Proxy-Connection: keep-alive', 'TE: gzip', 'Upgrade: h2c']
  const lines = [
    ...Object.entries(kept).map(([name, value]) => `${name}: ${value}`),
    'X-Forwarded-For: 203.0.113.7',
    'Connection: close, X-Hop',
    'X-Hop: 1',
    ...hops,
  ]
  const answer = await askRaw(program, [`GET ${url} HTTP/1.1`, ...lines], advice)
  const [request] = await arrivals(program, 'as=plain')
  holds(request?.url === url, {
    expected: `the worker gets path and query as they came: ${url}`,
    got: request?.url ?? 'no such request',
    likely: 'the URL is taken apart, and put together in another way',
    ...advice,
  })
  const theirs = fieldsOf(request.rawHeaders)
  for (const [name, value] of Object.entries(kept)) isKept('the worker', theirs, name, value, advice)
  isForwardedFor(theirs, ['203.0.113.7', '127.0.0.1'], advice)
  stayBehind('the worker', theirs, ['x-hop', 'proxy-connection', 'te', 'upgrade'], advice)

  const cookies = valuesOf(answer.fields, 'set-cookie')
  holds(cookies.join(' | ') === 'a=1; Path=/ | b=2; Path=/; HttpOnly', {
    expected: 'two set-cookie lines of a worker reach the client as two lines',
    got: cookies.length === 0 ? 'none' : cookies.join(' | '),
    likely: 'copied name by name, the second takes the place of the first, or is joined to it',
    ...advice,
  })
  isKept('the client', answer.fields, 'x-plain-answer', 'kept', advice)
  stayBehind('the client', answer.fields, ['x-hop-answer', 'proxy-connection', 'upgrade'], advice)

  const plain = ['Host: here', 'X-User: user-1', 'Connection: close']
  await askRaw(program, ['GET /?as=first HTTP/1.1', ...plain], advice)
  const [first] = await arrivals(program, 'as=first')
  isForwardedFor(fieldsOf(first?.rawHeaders ?? []), ['127.0.0.1'], advice)

  await watchRequests(program, target, { 'content-encoding': 'gzip' })
  const body = Buffer.from('H4sIAAAAAAAAA0suSk0sySxL1U0Fo2QA7t1lBBAAAAA=', 'base64')
  const post = ['POST /echo HTTP/1.1', ...plain, `Content-Length: ${body.length}`]
  const zipped = await askRaw(program, post, { body, ...advice })
  isKept('the client', zipped.fields, 'content-encoding', 'gzip', advice)
  holds(zipped.body.includes(body.toString('latin1')), {
    expected: 'a compressed body passes as it is, with its content-encoding',
    got: 'other bytes',
    likely: 'fetch unpacks a body by itself; http.request and undici.request do not',
    ...advice,
  })
})

function isKept(who: string, fields: Fields, name: string, value: string, advice: Advice): void {
  const got = valuesOf(fields, name)
  holds(got.length === 1 && got[0] === value, {
    expected: `${who} gets ${name}: ${value}, as the other end sent it`,
    got: got.length === 0 ? `no ${name}` : got.map((one) => `${name}: ${one}`).join(', '),
    likely:
      name === 'host'
        ? 'a client library writes a host of its own, unless it is given one'
        : 'every end-to-end header has to pass, and not only those that one knows',
    ...advice,
  })
}

function isForwardedFor(fields: Fields, wanted: readonly string[], advice: Advice): void {
  const got = valuesOf(fields, 'x-forwarded-for').join(', ')
  holds(got.split(/[\s,]+/).join(', ') === wanted.join(', '), {
    expected: `the worker gets x-forwarded-for: ${wanted.join(', ')}`,
    got: got === '' ? 'no x-forwarded-for' : `x-forwarded-for: ${got}`,
    likely: got.includes('::ffff:')
      ? 'a server that listens on :: sees IPv4 clients with ::ffff: before their address'
      : "the client's address is appended to what the header says already",
    ...advice,
  })
}

/** Node writes `connection` and `keep-alive` of its own on each connection. */
function stayBehind(who: string, fields: Fields, names: readonly string[], advice: Advice): void {
  const passed = fields.filter(
    ([name, value]) => names.includes(name) || /x-hop/i.test(value) || value === 'timeout=99',
  )
  holds(passed.length === 0, {
    expected: `${who} gets no header that was meant for the other connection: connection and those that it names, keep-alive, proxy-connection, te, transfer-encoding, upgrade`,
    got: passed.map(([name, value]) => `${name}: ${value}`).join(', '),
    likely: 'they are copied with the others; those that connection names have to be read from it',
    ...advice,
  })
}

check('a request whose worker dies is sent once more, or answered 502', async () => {
  await using program = await start({ workers: 4, fresh: true, proxy: true })
  const advice = { read: 'when-the-worker-dies', repeat: program.commandWith('/slow?ms=5000') }
  await survivesAStop(program, advice)
  await diesWithMany(program, advice)
  await countsTheSecondTime(program, advice)

  const removed = await askTheDoomed(program, '/?as=delete', 'DELETE', advice)
  holds(removed.status === 405, {
    expected:
      'a DELETE without a body, whose worker dies before it answers, is sent to another one, and answered 405',
    got: `${removed.status ?? 'no answer'}, after ${times(removed.arrived)}`,
    likely: 'GET is not the only idempotent method: HEAD, OPTIONS, PUT, DELETE and TRACE are, too',
    ...advice,
  })
  const posted = await askTheDoomed(program, '/echo?as=empty', 'POST', advice)
  holds(posted.status === 502 && posted.arrived === 1, {
    expected:
      'a POST without a body, whose worker dies before it answers, is answered 502, and not sent again',
    got: `${posted.status ?? 'no answer'}, after ${times(posted.arrived)}`,
    likely: 'an empty body does not make a POST idempotent',
    ...advice,
  })

  await isLeftTheSecondTime(program)
  await program.until(() => program.listening.length >= 4 || undefined, { within: seconds(10) })
  for (const worker of program.listening) await dieAtRequest(program, worker, 'as=twice')
  const twice = await program.fetch('/?as=twice')
  const arrived = (await arrivals(program, 'as=twice')).length
  holds(twice.ok && (twice.status === 502 || twice.status === 503) && arrived === 2, {
    expected:
      'a GET that costs two workers their lives, one after the other, is answered 502, and sent to no third',
    got: `${describeAnswer(twice)}, after ${times(arrived)}`,
    likely: 'it is sent again as long as somebody lives: one bad request then ends all workers',
    ...advice,
  })
})

/** What was sent once more is in flight in its second worker, and counts there. */
async function countsTheSecondTime(program: Program, advice: Advice): Promise<void> {
  for (const worker of program.listening) await watchRequests(program, worker)
  const pid = await workerOf(program, 'user-5', advice)
  const path = '/slow?ms=60000&as=moved'
  const moved = Array.from({ length: 8 }, () =>
    openRequest(program.port, path, { headers: asUser('user-5') }).end(),
  )
  const arrived = (count: number) => () => requestsWith(program, 'as=moved').length >= count || undefined
  await program.until(arrived(8), { within: seconds(5) })
  await program.signal('SIGKILL', pid)
  await program.until(arrived(16), { within: seconds(5) })
  const second = requestsWith(program, 'as=moved').filter((request) => request.pid !== pid)
  // Where they went to several, nobody says who has the fewest.
  const [busy] = second
  if (busy !== undefined && second.every((request) => request.pid === busy.pid)) {
    const others = Array.from({ length: 6 }, () => openRequest(program.port, '/slow?ms=300').end())
    await Promise.all(others.map((request) => request.untilOver()))
    const missed = others.filter(({ head }) => head?.servedBy?.pid === busy.pid).length
    holds(missed === 0, {
      expected: `requests without x-user go to workers with fewer in flight than the one to which ${second.length} were sent once more`,
      got: `${missed} of ${others.length} went to that one`,
      likely: 'a request is not counted in the second worker that it is sent to',
      ...advice,
    })
  }
  for (const request of moved) request[Symbol.dispose]()
}

/** What was sent once more is cancelled like any other when its client goes away. */
async function isLeftTheSecondTime(program: Program): Promise<void> {
  for (const worker of program.listening) await watchRequests(program, worker)
  await dieAtRequest(program, { pid: await workerOf(program, 'user-4', { read: 'the-contract' }) }, 'as=left')
  const request = openRequest(program.port, '/slow?ms=60000&as=left', { headers: asUser('user-4') }).end()
  await program.until(() => requestsWith(program, 'as=left').length >= 2 || undefined, { within: seconds(5) })
  const second = requestsWith(program, 'as=left')[1]
  request[Symbol.dispose]()
  if (second === undefined) return // told by those that are answered
  const isClosed = (): true | undefined =>
    program.eventsOf('request-closed').some(({ id, pid }) => id === second.id && pid === second.pid) ||
    undefined
  holds((await program.until(isClosed, { within: seconds(2) })) === true, {
    expected: 'a request that was sent once more is cancelled within 2 s, too, when its client goes away',
    got: 'it goes on in the second worker',
    likely: 'the second attempt has no listener for the end of the client',
    read: 'whatever-ends-a-request',
    repeat: program.commandWith('/slow?ms=60000'),
  })
}

/** Stopped by the kernel, a worker reads nothing, though its port still takes connections; then it is killed. */
async function survivesAStop(program: Program, advice: Advice): Promise<void> {
  const pid = await workerOf(program, 'user-1', advice)
  await using _stopped = await stop(program, { pid })
  // Several, so that not all of them find a connection that the worker has taken before.
  const waiting = Array.from({ length: 6 }, () =>
    openRequest(program.port, '/', { headers: asUser('user-1') }).end(),
  )
  await program.quiet(150)
  await program.signal('SIGKILL', pid)
  await Promise.all(waiting.map((request) => request.untilHead()))
  const missed = waiting.find(({ head }) => head?.status !== 200)
  holds(missed === undefined, {
    expected:
      'GETs whose worker is stopped, and then killed before it has read them, are answered by another one',
    got: missed === undefined ? '' : outcomeOf(missed),
    likely:
      missed?.head === undefined && missed?.failure === undefined
        ? "a connection was handed to the worker over cluster's channel, and got lost there: with exclusive, the kernel closes it when the worker dies"
        : 'it gives up at the first failure, or the dead worker is chosen again: another one could answer',
    ...advice,
  })
}

/** Requests of several kinds are in flight on one worker when it dies. */
async function diesWithMany(program: Program, advice: Advice): Promise<void> {
  const pid = await workerOf(program, 'user-2', advice)
  for (const worker of program.listening) await watchRequests(program, worker)
  const open = (path: string, method: string, more: Record<string, string> = {}): OpenRequest =>
    openRequest(program.port, path, { method, headers: { ...asUser('user-2'), ...more } })
  using get = open('/slow?ms=700&as=get', 'GET').end()
  using head = open('/slow?ms=700&as=head', 'HEAD').end()
  using body = open('/slow?ms=700&as=body', 'GET', { 'content-length': '4' }).end('body')
  using stream = open('/echo?as=stream', 'POST')
  stream.write('a part')
  const areThere = (): boolean =>
    ['as=get', 'as=head', 'as=body'].every((words) => requestsWith(program, words).length > 0)
  await program.until(() => (stream.bytes > 0 && areThere()) || undefined, { within: seconds(5) })
  await dieAtRequest(program, { pid }, 'as=post')
  using post = open('/echo?as=post', 'POST').end('an order')
  await Promise.all([get, head, body, post].map((request) => request.untilHead()))
  await stream.untilOver()

  for (const [name, request] of Object.entries({ GET: get, HEAD: head })) {
    holds(request.head?.status === 200, {
      expected: `a ${name} whose worker dies before it answers is sent to another one, and answered 200`,
      got: outcomeOf(request),
      likely: 'the end of the request to the worker is where another one is to be chosen',
      ...advice,
    })
  }
  const posted = (await arrivals(program, 'as=post')).length
  holds(post.head?.status === 502 && posted === 1, {
    expected: 'a POST whose worker dies before it answers is answered 502, and not sent again',
    got: `${outcomeOf(post)}, after ${times(posted)}`,
    likely: 'the worker may have done the work before it died, and twice may be once too often',
    ...advice,
  })
  // Where this machine was slow, its worker has answered it before it died.
  holds(body.head?.status === 502 || body.head?.servedBy?.pid === pid, {
    expected:
      'a GET with a body, whose worker dies before it answers, is answered 502: its body has been read',
    got: outcomeOf(body),
    likely: 'it is sent again without its body, or with one that has ended before',
    ...advice,
  })
  holds(stream.failure !== undefined && !stream.over, {
    expected: "when a worker dies in the middle of an answer, the client's connection is cut",
    got: stream.over ? 'the answer ended as if it were whole' : 'nothing in 10 s: the client waits on',
    likely: stream.over
      ? 'the answer is ended where it has to be destroyed: a part must not be taken for the whole'
      : "pipe() does nothing when its source breaks: listen for the answer's 'close', or use pipeline()",
    ...advice,
  })
}

/** The worker of user-3, whoever that is now, dies at the arrival of this request. */
async function askTheDoomed(program: Program, path: string, method: string, advice: Advice) {
  const words = path.split('?')[1] ?? path
  for (const worker of program.listening) await watchRequests(program, worker)
  await dieAtRequest(program, { pid: await workerOf(program, 'user-3', advice) }, words)
  const answer = await program.fetch(path, { method, headers: asUser('user-3') })
  const { length: arrived } = await arrivals(program, words)
  return { status: answer.ok ? answer.status : undefined, arrived }
}

const atOnce = sideBySide({ nobodyIsThere, portOpensLate })

check('without a live worker the answer is 503', async () => {
  await atOnce.nobodyIsThere()
})

async function nobodyIsThere(): Promise<void> {
  await using program = await start({ workers: 1, fresh: true, proxy: true })
  const advice = { read: 'nobody-there', repeat: program.commandWith('/') }
  await giveNextForks(program, { holdListen: true })
  using waiting = openRequest(program.port, '/slow?ms=60000').end()
  const lost = await program.killOneWorker()
  const head = await waiting.untilHead()
  holds(head?.status === 502 || head?.status === 503, {
    expected: 'a request whose worker dies, with nobody to take its place, is answered 502 or 503',
    got: outcomeOf(waiting),
    likely: 'a choice among nobody is undefined, and that has to be answered',
    ...advice,
  })
  await program.until(() => isGone(program, lost.pid), { within: seconds(5) })
  await isRefused(program, 'GET', undefined, advice)
  await isRefused(program, 'GET', 'user-1', advice)
  await isRefused(program, 'POST', undefined, advice)
  await program.until(() => program.eventsOf('listen-held')[0], { within: seconds(5) })
  await listsWorkers(program, 'starting')
  await giveNextForks(program, {})
  await program.releaseListen()
  await expect(program).toReplace(lost, { within: seconds(5), read: 'the-contract' })
  await serves(program, {
    expected: 'when the replacement listens, requests are served again',
    likely: 'the primary goes on with the address of the dead worker, or does not hear of the new one',
    ...advice,
  })
}

async function isRefused(program: Program, method: string, user: string | undefined, advice: Advice) {
  const path = method === 'POST' ? '/echo' : '/'
  let got = ''
  const look = async (): Promise<true | undefined> => {
    const answer = await program.fetch(path, {
      method,
      headers: asUser(user),
      ...(method === 'POST' && { body: 'text' }),
    })
    const after = answer.ok ? answer.headers['retry-after'] : undefined
    got = answer.ok ? `${answer.status}, retry-after: ${after ?? 'none'}` : describeAnswer(answer)
    const isTime = after !== undefined && (/^\d+$/.test(after) || !Number.isNaN(Date.parse(after)))
    return (answer.ok && answer.status === 503 && isTime) || undefined
  }
  const refused = await program.eventually(look, { within: seconds(2) })
  holds(refused === true, {
    expected: `as long as no worker lives, ${method} ${path}${user === undefined ? '' : ' of a user'} is answered 503, with Retry-After: a number of seconds`,
    got,
    likely: 'a choice among nobody is undefined, and that has to be answered at once',
    ...advice,
  })
}

check('PORT opens when every worker listens', async () => {
  await atOnce.portOpensLate()
})

async function portOpensLate(): Promise<void> {
  await inOrder([opensWithTheLast(), theDeadDoNotCount()])
}

/** Two of three listen, one of these dies, and another one listens in its place: still two of three. */
async function theDeadDoNotCount(): Promise<void> {
  await using program = await start({ workers: 3, holdListen: 2, fresh: true, unready: true })
  const held = await program.heldWorker()
  const victim = program.workers.find(({ pid, state }) => pid !== held?.pid && state !== 'gone')
  if (held === undefined || victim === undefined) return // whoever forks no second one is told by the other part
  await program.quiet(250)
  const lost = await program.killOneWorker(victim)
  const listens = (): boolean =>
    program.workers.some(
      ({ forkedSeq, pid }) =>
        forkedSeq > lost.lostAfter && program.eventsOf('server-listening').some((event) => event.pid === pid),
    )
  await program.until(() => listens() || program.ended !== undefined || undefined, {
    within: seconds(5),
    alive: false,
  })
  if (program.ended !== undefined) return // who loses a worker before all is up may give up
  await program.quiet(250)
  using early = await openRaw(program.port)
  holds(early.failure !== undefined, {
    expected:
      'as long as one of three workers does not listen, connections to PORT are refused, though another one has died and its replacement listens',
    got: 'one was taken',
    likely: 'listens are counted, and not who listens now',
    read: 'open-when-all-of-them-listen',
    repeat: program.command,
  })
}

async function opensWithTheLast(): Promise<void> {
  await using program = await start({ workers: 3, holdListen: 2, fresh: true, unready: true })
  const advice = { read: 'open-when-all-of-them-listen', repeat: program.command }
  const held = await program.heldWorker()
  holds(held !== undefined, {
    expected: 'three workers are forked, and listen',
    got: 'the second one did not come to its listen()',
    likely: 'too few are forked, or a worker waits for something else first',
    ...advice,
  })
  await program.quiet(250)
  using early = await openRaw(program.port)
  holds(early.failure !== undefined, {
    expected: 'as long as one of three workers does not listen, connections to PORT are refused',
    got: 'one was taken',
    likely: 'the primary listens at once, or as soon as the first worker does',
    ...advice,
  })
  await program.releaseListen()
  await serves(program, {
    expected: 'when the last worker listens, the primary opens PORT, and serves',
    likely: 'the primary waits for an event that does not come, or counts one worker twice',
    ...advice,
  })
  const ready = (): readonly string[] => program.lines('stdout').filter((line) => line.startsWith('ready: '))
  await program.until(() => ready()[0], { within: seconds(2) })
  holds(ready().join(' | ') === `ready: 3 workers on port ${program.port}`, {
    expected: `one line on stdout, as in lesson 3: ready: 3 workers on port ${program.port}`,
    got: ready().join(' | ') || 'no such line',
    ...advice,
  })
}

/** In time, GET / is answered 200. */
async function serves(program: Program, finding: Advice & { expected: string; likely: string }) {
  const look = async (): Promise<true | undefined> => {
    const answer = await program.fetch('/')
    return (answer.ok && answer.status === 200) || undefined
  }
  const served = await program.eventually(look, { within: seconds(5) })
  holds(served === true, { ...finding, got: describeAnswer(await program.fetch('/')) })
}

check('a worker that is slow, or stopped, is waited for', async () => {
  await fromTheStart.waitsForTheSlow()
})

/** Longer than the time-outs that proxies come with, as far as a check can wait. */
const LONG = seconds(12)

async function waitsForTheSlow(): Promise<void> {
  await using program = await start({ workers: 2, fresh: true, proxy: true })
  const advice = { read: 'when-the-worker-dies', repeat: program.commandWith(`/slow?ms=${LONG}`) }
  const [[pid, user] = [0, ''], [, other] = [0, '']] = await userOfEach(program)
  using slow = openRequest(program.port, `/slow?ms=${LONG}`, { headers: asUser(other) }).end()
  // Deadlines are stretched: the slow one may have its answer by then. A stopped worker has none to give.
  const isOver = (request: OpenRequest): boolean =>
    request.failure !== undefined ||
    (request.head !== undefined && (request !== slow || request.head.status !== 200))
  const stopped = await stop(program, { pid })
  await using _ = stopped
  using get = openRequest(program.port, '/', { headers: asUser(user) }).end()
  using post = openRequest(program.port, '/echo', { method: 'POST', headers: asUser(user) }).end('an order')
  const begun = performance.now()
  const early = await program.until(() => [slow, get, post].find(isOver), { within: LONG - seconds(0.5) })
  holds(early === undefined, {
    expected: `a worker that is stopped for ${LONG / 1_000} s, or takes as long, and lives, is waited for`,
    got: `after ${((performance.now() - begun) / 1_000).toFixed(1)} s: ${early === undefined ? '' : outcomeOf(early)}`,
    likely:
      'the proxy has a time-out, or it takes silence for death: how long is too long is a question of lesson 10',
    ...advice,
  })
  await stopped[Symbol.asyncDispose]()
  await Promise.all([slow, get, post].map((request) => request.untilHead()))
  const missed = [slow, get, post].find(({ head }) => head?.status !== 200)
  holds(missed === undefined, {
    expected:
      'when it goes on, a worker that was stopped answers what it was sent, and a slow one ends, both 200',
    got: missed === undefined ? '' : outcomeOf(missed),
    ...advice,
  })
}

check('every page is rendered for its visitor', async () => {
  await using program = await start({ workers: 3, proxy: true })
  await servesPages(program, 'one-page-one-render')
})

check('unknown paths and wrong methods are refused, and nothing ends', async () => {
  await using program = await start({ workers: 3, proxy: true })
  await refusesOddRequests(program, ['/', '/render', '/report', '/slow'], 'refuse-what-you-do-not-serve', [
    'POST /echo',
  ])
  // Whatever a client calls itself.
  for (const user of ['50%', '%E0%A4%A', '__proto__', 'constructor', '"\\', '0', 'x'.repeat(2_000)]) {
    await program.get('/', {
      headers: asUser(user),
      read: 'refuse-what-you-do-not-serve',
      expected: `a request with x-user: ${user.slice(0, 12)} is answered, and ends no process`,
      likely: 'the name is decoded, or looked up in an object that inherits some',
    })
  }
})

check('the workers share the load', async () => {
  await using program = await start({ workers: workersUnderLoad(), proxy: true })
  await expect(program).toGetShare(0.5, { read: 'what-a-proxy-costs' })
})

check('SIGTERM ends the program', async () => {
  await inOrder([ends(), endsEarly()])
})

async function ends(): Promise<void> {
  await using program = await start({ proxy: true })
  using _endless = openRequest(program.port, '/slow?ms=60000').end()
  await program.quiet(200)
  await endsOnSigterm(program, 'the-end-of-the-program')
}

async function endsEarly(): Promise<void> {
  await using program = await start({ workers: 2, fresh: true, proxy: true })
  await endsWhileOneStarts(program, {
    within: seconds(10),
    likely: 'only the workers that listen are told to end: one that starts comes to listen, and is forgotten',
    read: 'the-end-of-the-program',
  })
}

/** A user of each worker, by its pid. */
async function userOfEach(program: Program): Promise<ReadonlyMap<number, string>> {
  const workers = await workersOf(program, thirty, 'one-user-one-worker')
  return new Map([...workers].map(([user, pid]) => [pid, user]))
}

function staysPut(
  program: Program,
  before: ReadonlyMap<string, number>,
  now: ReadonlyMap<string, number>,
  finding: Advice & { expected: string; likely: string },
): void {
  const moved = [...before].filter(([user, pid]) => now.get(user) !== pid)
  const [user = '', pid] = moved[0] ?? []
  holds(moved.length === 0, {
    got: `${moved.length} of ${before.size} users moved: ${user} from ${idOf(program, pid)} to ${idOf(program, now.get(user))}`,
    ...finding,
  })
}

function only<Key, Value>(map: ReadonlyMap<Key, Value>, keep: (value: Value, key: Key) => boolean) {
  return new Map([...map].filter(([key, value]) => keep(value, key)))
}

function idOf(program: Program, pid: number | undefined): string {
  return `worker ${program.workers.find((worker) => worker.pid === pid)?.id ?? '?'}`
}

function isGone(program: Program, pid: number): true | undefined {
  return program.workers.some((worker) => worker.pid === pid && worker.state === 'gone') || undefined
}

function requestsWith(program: Program, words: string) {
  return program.eventsOf('request').filter(({ url }) => url.includes(words))
}

/** News of a request may come a moment after its answer. */
async function arrivals(program: Program, words: string) {
  await program.until(() => requestsWith(program, words)[0], { within: seconds(2) })
  await program.quiet(50)
  return requestsWith(program, words)
}

function outcomeOf({ head, failure }: OpenRequest): string {
  return head === undefined ? (failure ?? 'no answer in 10 s: it hangs') : `status ${head.status}`
}

function times(count: number): string {
  return `it had come to a worker ${count === 1 ? 'once' : count === 2 ? 'twice' : `${count} times`}`
}

function percent(part: number): string {
  return `${Math.round(part * 100)} %`
}

function asUserOne(program: Program): string {
  return `${program.command} & sleep 1; curl -s -H 'x-user: user-1' localhost:8000/; kill %1`
}

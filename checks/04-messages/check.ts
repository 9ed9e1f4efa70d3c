import {
  check,
  connectToEveryWorker,
  cores,
  countHit,
  countSent,
  describeAnswer,
  describeFailures,
  endsOnSigterm,
  expect,
  expectAgreement,
  expectAnswerInTime,
  expectBannerEverywhere,
  expectExact,
  expectExactStats,
  expectOutcome,
  expectPrimaryAlive,
  giveNextForks,
  hasHeldMessages,
  hit,
  holdMessages,
  holds,
  inOrder,
  Inconclusive,
  jsonOf,
  junkMessages,
  keepAsking,
  keptConnection,
  openScene,
  patientNow,
  pause,
  putBanner,
  putInPieces,
  recordedMessages,
  refusesOddRequests,
  releaseMessages,
  seconds,
  sendBanner,
  sendMessage,
  sendToWorker,
  servesPages,
  spoilt,
  start,
  statsIn,
  stop,
  takenBetween,
  tellsReadyOnce,
  totalOf,
  totalSeenBy,
  workersUnderLoad,
  type Advice,
  type Asked,
  type BannerPut,
  type Scene,
  type Worker,
} from '#harness'

/** Counts are looked at in the program that was started ahead, unless it has one worker only, or very many. */
const COUNTING = cores() >= 2 && cores() <= 4 ? {} : { workers: 2 }
const TELLING = { workers: 3 }

check('/, /stats and /banner answer', async () => {
  await using scene = await openScene(COUNTING)
  const { program } = scene
  const read = 'the-contract'
  const answer = await program.get('/', { read })
  countHit(scene, answer)
  const pid = jsonOf(answer)?.pid
  holds(typeof pid === 'number', {
    expected: '/ answers JSON with at least pid',
    got: `its pid is ${JSON.stringify(pid)}`,
    read,
    repeat: program.commandWith('/'),
  })
  statsIn(program, await program.get('/stats', { read }))
  const banner = await program.get('/banner', { read })
  holds(banner.text === '', {
    expected: 'the banner is empty at first',
    got: JSON.stringify(banner.text.slice(0, 80)),
    read,
    repeat: program.commandWith('/banner'),
  })
})

check('hits are counted over the whole cluster', async () => {
  // The next program starts meanwhile.
  const [scene, next] = await Promise.all([openScene(COUNTING), start(TELLING)])
  await using _scene = scene
  await using _next = next
  const read = 'one-count-for-all'
  for (const [index, worker] of scene.workers.entries()) await hit(scene, worker, 2 + 3 * index)
  await expectExactStats(scene, { read })
  // Many at once, over fresh connections, with other requests between them, which count nothing.
  const client = async (): Promise<void> => {
    countHit(scene, await scene.program.get('/', { read }))
    await scene.program.get('/banner', { read })
    await scene.program.fetch('/nowhere')
    for (const method of ['POST', 'PUT', 'DELETE']) await scene.program.fetch('/', { method })
  }
  await Promise.all(Array.from({ length: 30 }, client))
  await expectExactStats(scene, { read })
  // Several questions of one worker are under way at once.
  const [asker] = scene.workers as [Worker]
  const likely = 'two questions at the same time have the same id, or none'
  const questions = Array.from({ length: 20 }, () => scene.program.get('/stats', { read, likely }))
  for (const answer of await Promise.all(questions)) expectExact(scene, asker, answer, { read, likely })
})

check('the hits of a dead worker stay, and its replacement counts', async () => {
  await using scene = await openScene(COUNTING)
  const { program } = scene
  const read = 'the-dead-and-the-newcomers'
  const [lost, survivor] = scene.workers as [Worker, Worker]
  for (const worker of scene.workers) await hit(scene, worker, 5)
  await expectExactStats(scene, { read })
  await scene.kill(lost)
  // While it is replaced, no answer may say anything else.
  const look = async (): Promise<true | undefined> => {
    expectExact(scene, survivor, await scene.ask(survivor, '/stats'), {
      read,
      likely: 'the numbers of a worker go with it, or are asked of workers that are no more',
    })
    return program.listening.length === scene.workers.length || undefined
  }
  await program.eventually(look, { within: seconds(5) })
  const newcomer = await scene.replacement(read)
  await hit(scene, newcomer, 4)
  await expectExactStats(scene, {
    read,
    likely: 'nobody listens to the messages of a worker that was forked later',
  })
  scene.isWhole()
})

check('a hit older than 250 ms survives the death of its worker', async () => {
  await using scene = await openScene(COUNTING)
  const { program } = scene
  const read = 'what-a-dead-worker-takes-with-it'
  const [first, witness] = scene.workers as [Worker, Worker]
  const victims = [
    { find: () => first, hits: afterAReport },
    { find: () => scene.replacement(read), hits: underLoad },
  ]
  for (const { find, hits } of victims) {
    const worker = await find()
    await hits(scene, worker, witness)
    // The 250 ms, 100 more for clocks and signals, and what this machine took from the program.
    await program.eventually(async () => undefined, { within: 350 })
    await scene.kill(worker)
    const seen = await totalSeenBy(scene, witness)
    holds(seen === totalOf(scene), {
      expected: `${totalOf(scene)} hits: each was made 350 ms or more before its worker was killed`,
      got: `/stats says ${seen}`,
      likely: 'hits wait in the worker for longer than 250 ms, or until somebody asks for them',
      read,
      repeat: program.command,
    })
  }
  await tellsWhileHitsGoOn(scene, await scene.replacement(read), witness)
})

/** Right after a report has come, the next one is farthest away. */
async function afterAReport(scene: Scene, worker: Worker, witness: Worker): Promise<void> {
  await hit(scene, worker, 1)
  await totalSeenBy(scene, witness)
  await hit(scene, worker, 5)
}

/** As many hits as a client can make, for a second, and then until a report has come. */
async function underLoad(scene: Scene, worker: Worker, witness: Worker): Promise<void> {
  const { program } = scene
  await scene.ask(worker, '/banner') // an idle connection may be about to close
  const load = keepAsking(program.port, '/', { agent: scene.to.agentOf(worker) })
  await pause(seconds(1))
  const told = async (): Promise<number> => statsIn(program, await scene.ask(witness, '/stats')).total
  const before = await told()
  await program.eventually(async () => (await told()) > before || undefined, { within: seconds(1) })
  countAll(scene, await load.stop(), 'what-a-dead-worker-takes-with-it')
  await hit(scene, worker, 5)
}

/** Hits under load, each of which has to be answered. */
function countAll(scene: Scene, results: readonly Asked[], read: string): void {
  const failures = describeFailures(results)
  holds(failures === '', {
    expected: 'every request for / is answered under load',
    got: failures,
    read,
    repeat: scene.program.command,
  })
  for (const answer of results) if (answer.ok) countHit(scene, answer)
}

const GAP_MS = 50
/** Older than the 250 ms by as much as clocks, signals and a busy machine may take. */
const OLD_MS = 700

/** Hits that never pause are told all the same. */
async function tellsWhileHitsGoOn(scene: Scene, worker: Worker, witness: Worker): Promise<void> {
  const { program } = scene
  const times: number[] = []
  const before = await program.usage()
  while (times.length < 30) {
    await hit(scene, worker, 1)
    times.push(performance.now())
    await pause(GAP_MS)
  }
  const old = OLD_MS + takenBetween(before, await program.usage())
  const killedAt = performance.now()
  await scene.kill(worker)
  const least = totalOf(scene) - times.filter((time) => killedAt - time < old).length
  const seen = await totalSeenBy(scene, witness)
  holds(seen >= least, {
    expected: `${least} hits or more, under a hit each ${GAP_MS} ms: so many were made ${Math.round(old)} ms or more before their worker was killed`,
    got: `/stats says ${seen}`,
    likely: 'each hit puts the report off, and it is sent only when hits pause',
    read: 'what-a-dead-worker-takes-with-it',
    repeat: program.command,
  })
}

check('a PUT changes the banner of every worker', async () => {
  await using scene = await openScene(TELLING)
  const read = 'tell-everybody-and-wait'
  for (const [index, worker] of scene.workers.entries()) {
    const text = `banner number ${index}`
    await putBanner(scene, worker, text, { read })
    await expectBannerEverywhere(scene, text, { read })
  }
  await putBanner(scene, scene.workers[0] as Worker, '', {
    read,
    likely: 'an empty text is a text too, though it is falsy',
  })
  await expectBannerEverywhere(scene, '', { read, likely: 'an empty text is a text too, though it is falsy' })
})

check('the banner survives to the byte, and 1,024 bytes are its limit', async () => {
  await using scene = await openScene(TELLING)
  const { program } = scene
  const [worker] = scene.workers as [Worker, Worker]
  const read = 'bytes-and-characters'
  const odd = ' “Zoë” \\u0041 %41\t{"type":"x"}\r\n漢字 🧮\u2028</b> e\u0301 '
  for (const text of [odd, 'é'.repeat(512), '🧮'.repeat(256), 'x'.repeat(1024)]) {
    await putBanner(scene, worker, text, {
      read,
      likely: 'the limit counts something else than bytes, or is off by one',
    })
    await expectBannerEverywhere(scene, text, { read })
  }
  // Each byte in a chunk of its own: they are handed to the program one by one, however they travel.
  const text = 'Zoë, 漢字 and 🧮'
  const status = await putInPieces(
    scene,
    worker,
    [...Buffer.from(text)].map((byte) => Buffer.of(byte)),
  )
  const likely = 'each piece is decoded by itself, and a piece may end in the middle of a character'
  holds(status === '204', {
    expected: 'PUT /banner answers 204, also when its body comes in pieces',
    got: status,
    read,
    repeat: program.command,
  })
  await expectBannerEverywhere(scene, text, { read, likely })
  const tooLong = [
    ['1,025 bytes', 'x'.repeat(1025)],
    ['513 characters of 2 bytes each', 'é'.repeat(513)],
    ['257 characters of 4 bytes each', '🧮'.repeat(257)],
  ] as const
  for (const [what, body] of tooLong) {
    const refused = (got: string, how: string): void =>
      holds(got === '413', {
        expected: `a banner of ${what}${how} is answered with 413: the limit is 1,024 bytes`,
        got,
        likely: /^\d/.test(got)
          ? "a string's length counts UTF-16 units, and Buffer.byteLength bytes"
          : 'a for await loop that is left early destroys the request, and its connection with it',
        read,
        repeat: program.command,
      })
    const answer = await scene.ask(worker, '/banner', { method: 'PUT', body })
    refused(answer.ok ? String(answer.status) : describeAnswer(answer), '')
    const bytes = Buffer.from(body)
    const pieces = [bytes.subarray(0, 600), bytes.subarray(600)]
    refused(await putInPieces(scene, worker, pieces), ', in two chunks and without a content-length,')
    await expectBannerEverywhere(scene, text, {
      read,
      likely: 'a banner that is refused is used all the same',
    })
  }
})

check('204 comes when every live worker uses the banner', async () => {
  await using scene = await openScene(TELLING)
  const { program } = scene
  const read = 'tell-everybody-and-wait'
  const [slow, teller, other] = scene.workers as [Worker, Worker, Worker]
  await putBanner(scene, other, 'an older one', { read })
  await putBanner(scene, teller, 'the old one', { read })
  const held = await holdMessages(program, slow)
  // Two, since what says yes to the one may be taken for a yes to the other.
  const puts = [sendBanner(scene, teller, 'the new one'), sendBanner(scene, other, 'the newer one')]
  await program.until(() => puts.some(({ answer }) => answer) || undefined, { within: 300 })
  await expectNotTooEarly(scene, slow, puts, {
    read,
    likely: 'the 204 does not wait until each worker has said that it uses this banner, and not another',
  })
  await held[Symbol.asyncDispose]()
  for (const put of puts) await expectAnswerInTime(scene, put, { read })
  scene.isWhole()
})

/**
 * The messages to a worker are held: nothing but an early 204 is looked at. A worker that asks its primary each time
 * is right with it, as it answers when it can.
 */
async function expectNotTooEarly(
  scene: Scene,
  slow: Worker,
  puts: readonly BannerPut[],
  advice: Advice,
): Promise<void> {
  if (!puts.some(({ status }) => status === 204)) return
  const answer = await scene.ask(slow, '/banner', { within: 500 })
  holds(!answer.ok || puts.some(({ text }) => text === answer.text), {
    expected: 'after the 204 no worker answers with the old banner',
    got: `204, while a worker whose messages were delayed still answered ${JSON.stringify(answer.ok && answer.text)}`,
    repeat: scene.program.command,
    ...advice,
  })
}

check('two PUTs at once leave all workers agreeing', async () => {
  await using scene = await openScene(TELLING)
  const { program } = scene
  const read = 'two-at-once'
  const [first, second] = scene.workers as [Worker, Worker, Worker]
  let old = 'neither'
  await putBanner(scene, first, old, { read })
  using others = await connectToEveryWorker(program, read)
  for (let round = 0; round < 6; round += 1) {
    // Both may come to one worker, too.
    const [to, worker] = round % 3 === 1 ? [others, first] : [scene.to, second]
    // In the last rounds, messages pass each other on their way.
    await Promise.all([scene.ask(first, '/banner'), to.ask(worker, '/banner')])
    const holding = scene.workers.slice(0, Math.max(0, round - 2))
    const held = await Promise.all(holding.map((worker) => holdMessages(program, worker)))
    const puts = [
      sendBanner(scene, first, `left ${round}`),
      sendBanner({ program, to }, worker, `right ${round}`),
    ] as const
    if (held.length > 0) {
      await program.until(() => puts.every(({ answer }) => answer) || undefined, { within: 100 })
      await Promise.all(held.map((one) => one[Symbol.asyncDispose]()))
    }
    for (const put of puts) await expectAnswerInTime(scene, put, { read })
    const both = puts.every(({ status }) => status === 204)
    const found = await expectAgreement(
      scene,
      both ? puts.map(({ text }) => text) : [old, ...puts.map(({ text }) => text)],
      {
        read,
        within: both ? 0 : seconds(1),
        likely: 'changes reach the workers in different orders: one process has to put them into one order',
      },
    )
    old = found
  }
  scene.isWhole()
})

check('a stopped worker holds up no PUT, and agrees when it returns', async () => {
  await inOrder([agreesOnReturn(), refusesAgain()])
})

async function agreesOnReturn(): Promise<void> {
  await using scene = await openScene(TELLING)
  const read = 'every-gather-has-a-deadline'
  const [slow, teller] = scene.workers as [Worker, Worker, Worker]
  await putBanner(scene, teller, 'the old one', { read })
  await using stopped = await stop(scene.program, slow)
  const put = sendBanner(scene, teller, 'the new one')
  await expectAnswerInTime(scene, put, { read })
  await stopped[Symbol.asyncDispose]()
  await expectOutcome(scene, put, 'the old one', {
    read,
    likely: 'after a 503 some workers keep the new banner, and others are set back, or never told',
  })
  await putBanner(scene, teller, 'another one', { read })
  await expectBannerEverywhere(scene, 'another one', { read })
  scene.isWhole()
}

/** A client does after a 503 what clients do. Nothing has changed meanwhile: one worker still cannot say that it uses it. */
async function refusesAgain(): Promise<void> {
  await using scene = await openScene({ ...TELLING, fresh: true })
  const read = 'every-gather-has-a-deadline'
  const [slow, teller] = scene.workers as [Worker, Worker]
  await putBanner(scene, teller, 'the old one', { read })
  await using stopped = await stop(scene.program, slow)
  const put = sendBanner(scene, teller, 'the new one')
  await expectAnswerInTime(scene, put, { read })
  // Where workers ask their primary each time, the stopped one will answer with the new banner.
  if (put.status !== 503) return
  const again = sendBanner(scene, teller, put.text)
  await expectAnswerInTime(scene, again, { read })
  holds(again.status === 503, {
    expected:
      'the same PUT once more is answered with 503 too, as the stopped worker still has the old banner',
    got: String(again.status),
    likely: 'a text that the worker has already is answered with 204 at once, and nobody else is asked',
    read,
    repeat: scene.program.command,
  })
  // What all agree on after a 503 is the current banner, for a newcomer, too.
  await stopped[Symbol.asyncDispose]()
  const agreed = await expectOutcome(scene, again, 'the old one', { read })
  await scene.kill(slow)
  await scene.replacement(read)
  await expectAgreement(scene, [agreed], {
    read,
    within: 0,
    likely: 'a newcomer is told the banner of the last 204, or of the last PUT, and the others have another',
  })
}

check('a new worker starts with the current banner', async () => {
  await using scene = await openScene(TELLING)
  const { program } = scene
  const read = 'the-newcomer-asks'
  const likely =
    'what the primary sends right after the fork, or on online, comes before the worker listens for messages'
  const [first, teller] = scene.workers as [Worker, Worker]
  await putBanner(scene, teller, 'the first', { read })
  await scene.kill(first)
  const second = await scene.replacement(read)
  await expectBannerEverywhere(scene, 'the first', { read, likely })
  await tellsReadyOnce(program, TELLING.workers, 'the-contract')

  // PUTs while the newcomer is on its way, when it has just been forked, and when it is about to listen.
  await scene.ask(teller, '/banner')
  await giveNextForks(program, { holdListen: true })
  await scene.kill(second)
  const starting = await scene.forkedAfter(second)
  const put = sendBanner(scene, teller, 'the second')
  await expectAnswerInTime(scene, put, { read, early: true })
  const isHeld = (): true | undefined =>
    program.eventsOf('listen-held').some(({ pid }) => pid === starting?.pid) || undefined
  await program.until(isHeld, { within: seconds(5) })
  const last = sendBanner(scene, teller, 'the third')
  await expectAnswerInTime(scene, last, { read, early: true })
  await giveNextForks(program, {})
  await program.releaseListen()
  const third = await scene.replacement(read)
  const isDone = last.status === 204
  const banner = await expectAgreement(
    scene,
    isDone ? ['the third'] : ['the first', 'the second', 'the third'],
    {
      read,
      within: isDone ? 0 : seconds(1),
      likely: 'a worker that is still starting misses the change, and nobody tells it later',
    },
  )

  // A newcomer whose messages are late: until they come it may wait, but not answer with anything else.
  await giveNextForks(program, { holdMessages: true })
  await scene.kill(third)
  const fourth = await scene.forkedAfter(third)
  if (fourth !== undefined) {
    const isListening = (): boolean => program.listening.some(({ id }) => id === fourth.id)
    const hasBegun = (): true | undefined => isListening() || hasHeldMessages(program, fourth) || undefined
    await program.until(hasBegun, { within: seconds(3) })
    await program.until(() => isListening() || undefined, { within: 150 })
    if (isListening()) {
      await scene.to.meet([fourth])
      const answer = await scene.ask(fourth, '/banner', { within: 500 })
      holds(!answer.ok || answer.text === banner, {
        expected: 'a new worker answers with the current banner from its first answer on',
        got: `${describeAnswer(answer)}, while messages to it were delayed`,
        likely: 'it listens before the banner has come',
        read,
        repeat: program.command,
      })
    }
    await giveNextForks(program, {})
    await releaseMessages(program, fourth)
  }
  await scene.replacement(read)
  await expectBannerEverywhere(scene, banner, { read, likely })
  scene.isWhole()
})

check('a worker that dies during a PUT is not waited for', async () => {
  await using scene = await openScene(TELLING)
  const { program } = scene
  const read = 'the-answer-of-a-dead-worker'
  const waits = { read, likely: 'a dead worker stays on the list of those who have to answer' }
  const [victim, teller, other] = scene.workers as [Worker, Worker, Worker]

  // It is stopped first, so that it cannot have answered.
  await putBanner(scene, teller, 'the old one', waits)
  await stop(program, victim)
  const first = sendBanner(scene, teller, 'first')
  await program.until(() => first.answer, { within: 300 })
  await scene.kill(victim)
  await expectAnswerInTime(scene, first, { ...waits, early: true })
  const second = await scene.replacement(read)
  await expectOutcome(scene, first, 'the old one', { read })
  await putBanner(scene, teller, 'after a death', waits)
  await expectBannerEverywhere(scene, 'after a death', { read })

  // It dies while the primary is busy, which then tells a worker that is gone.
  const tells = {
    read,
    likely:
      'worker.send to a worker that has gone emits error where no callback was given, and nobody listens to it',
  }
  await scene.ask(teller, '/banner')
  await program.block(350)
  await pause(50)
  const third = sendBanner(scene, teller, 'third')
  await pause(100)
  await scene.kill(second)
  await expectAnswerInTime(scene, third, { ...tells, early: true })
  const newest = await scene.replacement(read)
  const agreed = await expectOutcome(scene, third, 'after a death', { read })

  // It dies when it has said yes, and another one has not.
  const late = await holdMessages(program, other)
  const fourth = sendBanner(scene, teller, 'fourth')
  await program.until(() => fourth.answer, { within: 200 })
  await scene.kill(newest)
  await program.until(() => fourth.answer, { within: 200 })
  await expectNotTooEarly(scene, other, [fourth], {
    read,
    likely: 'the death of a worker that had said yes counts as the yes of another',
  })
  await late[Symbol.asyncDispose]()
  await expectAnswerInTime(scene, fourth, { ...waits, early: true })
  await scene.replacement(read)
  await expectOutcome(scene, fourth, agreed, { read })

  // The worker that took the PUT dies before it has the answer.
  await putBanner(scene, teller, 'before the last', tells)
  const held = await holdMessages(program, other)
  const fifth = sendBanner(scene, teller, 'fifth')
  await program.until(() => fifth.answer, { within: 200 })
  await scene.kill(teller)
  await held[Symbol.asyncDispose]()
  await expectPrimaryAlive(program, tells)
  await scene.replacement(read)
  await expectAgreement(scene, ['before the last', 'fifth'], { read, within: seconds(1) })
  await putBanner(scene, other, 'the last', waits)
  await expectBannerEverywhere(scene, 'the last', { read })
})

check('unknown and malformed messages change nothing', async () => {
  const [scene, next] = await Promise.all([openScene({ workers: 2, recordMessages: true }), start()])
  await using _scene = scene
  await using _next = next
  const { program, workers } = scene
  const read = 'believe-no-message'
  const advice = {
    read,
    likely: 'a message is used before it was looked at: its type, and each of its fields',
  }
  for (const worker of workers) await hit(scene, worker, 3)
  await expectExactStats(scene, { read })
  const counting = recordedMessages(program)
  await putBanner(scene, workers[0] as Worker, 'keep me', { read })
  await expectBannerEverywhere(scene, 'keep me', { read })
  const telling = recordedMessages(program).slice(counting.length)
  const numbersAndNames = counting.flatMap(({ to, message }) =>
    to === 'primary'
      ? [
          ...spoilt(message, (leaf) => typeof leaf === 'number', ['many', null]),
          ...spoilt(message, (leaf) => typeof leaf === 'string', ['no such thing']),
        ]
      : [],
  )
  const texts = (whom: 'primary' | 'worker'): readonly unknown[] =>
    telling.flatMap(({ to, message }) =>
      to === whom ? spoilt(message, (leaf) => leaf === 'keep me', [null, 42, {}]) : [],
    )
  // A number that is none, beside a text that would show.
  const numbers = telling.flatMap(({ to, message }) =>
    to === 'worker'
      ? spoilt(message, (leaf) => leaf === 'keep me', ['spoilt'])
          .filter((changed) => JSON.stringify(changed).includes('spoilt'))
          .flatMap((changed) => spoilt(changed, (leaf) => typeof leaf === 'number', ['many', null]))
      : [],
  )
  for (const worker of workers) {
    for (const message of distinct([...junkMessages, ...numbersAndNames, ...texts('primary')]))
      await sendMessage(program, worker, message)
    for (const message of distinct([...junkMessages, ...texts('worker'), ...numbers]))
      await sendToWorker(program, worker, message)
  }
  await program.eventually(async () => undefined, { within: 300 })
  await expectPrimaryAlive(program, advice)
  const gone = program.workers.filter(({ state }) => state !== 'listening').length
  holds(gone === 0, {
    ...advice,
    expected: 'junk messages end no worker',
    got: `${gone} of ${workers.length} workers ended`,
    repeat: program.command,
  })
  await expectBannerEverywhere(scene, 'keep me', advice)
  for (const worker of workers) await hit(scene, worker, 2)
  await expectExactStats(scene, { read, likely: advice.likely })
  await putBanner(scene, workers[1] as Worker, 'changed', advice)
  await expectBannerEverywhere(scene, 'changed', advice)
})

check('every page is rendered for its visitor', async () => {
  await using program = await start()
  await servesPages(program, 'one-page-one-render')
})

check('unknown paths and wrong methods are refused, and nothing ends', async () => {
  await using program = await start()
  const read = 'refuse-what-you-do-not-serve'
  await program.get('/bannerer', { status: 404, read })
  for (const method of ['POST', 'DELETE']) await program.get('/banner', { method, status: 405, read })
  await refusesOddRequests(program, ['/', '/render', '/stats'], 'refuse-what-you-do-not-serve', [
    'PUT /banner',
  ])
})

check('hits are told in batches', async () => {
  await using scene = await openScene({ workers: 2, countMessages: true })
  const { program } = scene
  const read = 'a-message-is-work'
  const before = await countSent(program)
  const started = patientNow()
  const connections = Array.from({ length: 8 }, () => keptConnection())
  const clients = connections.map(({ agent }) => keepAsking(program.port, '/', { agent }))
  const asked = (): number => clients.reduce((sum, { results }) => sum + results.length, 0)
  const isEnough = (): true | undefined => (patientNow() - started > 1_500 && asked() > 1_000) || undefined
  await program.until(isEnough, { within: seconds(5) })
  const results = (await Promise.all(clients.map((client) => client.stop()))).flat()
  for (const connection of connections) connection[Symbol.dispose]()
  const after = await countSent(program)
  countAll(scene, results, read)
  const time = (after.at - before.at) / 1000
  const sent = after.sent - before.sent
  const allowed = 0.2 * results.length + 20 * scene.workers.length * time
  if (allowed > 0.7 * results.length) {
    throw new Inconclusive(
      `Only ${results.length} requests came through in ${time.toFixed(1)} s: too few to tell a message for each request from one for each moment.`,
    )
  }
  holds(sent <= allowed, {
    expected: `under load on /, at most 0.2 messages a request and 20 a second for each worker: ${Math.floor(allowed)} for ${results.length} requests in ${time.toFixed(1)} s`,
    got: `${sent} messages`,
    likely: 'each request sends a message, or is answered with one, and the primary works for all of them',
    read,
    repeat: program.command,
  })
  await expectExactStats(scene, { read })
})

check('the workers share the load', async () => {
  await using program = await start({ workers: workersUnderLoad() })
  await expect(program).toGetShare(0.6, { read: 'sharing-the-load' })
})

check('SIGTERM ends the program', async () => {
  await using program = await start()
  await endsOnSigterm(program, 'the-end-of-the-program')
})

function distinct(messages: readonly unknown[]): readonly unknown[] {
  return [...new Map(messages.map((message) => [JSON.stringify(message), message])).values()].slice(0, 80)
}

import {
  asksForTheDefaultPort,
  check,
  cores,
  endsAfterADeath,
  endsOnSigterm,
  expect,
  freePort,
  holdPort,
  holds,
  inOrder,
  meetEveryWorker,
  note,
  oneAllowedCore,
  READY_LINE,
  readyLines,
  refusesOddRequests,
  replacesAll,
  seconds,
  servesPages,
  start,
  workersUnderLoad,
  type Program,
} from '#harness'

check('one worker per available core by default', async () => {
  await using program = await start()
  await expect(program).toHaveForked(cores(), {
    likely: 'the cores are counted by os.cpus().length, or the number is written into the file',
    read: 'count-the-cores-that-you-may-use',
  })
  await using unset = await start({ workers: 1, withoutPort: 8000, unready: true, fresh: true })
  await asksForTheDefaultPort(unset, 'the-contract')
})

check('WORKERS sets the number, and an empty one counts as unset', async () => {
  const read = 'a-configuration-that-refuses-nonsense'
  const more = cores() < 8 ? cores() + 1 : 3
  // Most machines could not bear so many: what is forked sleeps.
  const hollow = { hollowForks: true, unready: true, fresh: true }
  const [alone, several, empty, digit, most] = await Promise.all([
    start({ workers: 1 }),
    start({ workers: more }),
    start({ workers: '' }),
    start({ workers: LARGE_DIGIT, ...hollow }),
    start({ workers: MOST, ...hollow }),
  ])
  await using _alone = alone
  await using _several = several
  await using _empty = empty
  await using _digit = digit
  await using _most = most
  await expect(alone).toHaveForked(1, { read })
  await expect(several).toHaveForked(more, { read })
  await expect(empty).toHaveForked(cores(), {
    likely: "Number('') is 0: an empty WORKERS has to be told from one that is 0",
    read,
  })
  await forksAsMany(
    digit,
    LARGE_DIGIT,
    `${LARGE_DIGIT} is compared with ${MOST} as text, where 9 comes after 6`,
  )
  await forksAsMany(most, MOST, `${MOST} is the greatest number that is allowed, and it is refused or cut`)
})

const MOST = 64
const LARGE_DIGIT = 9

async function forksAsMany(program: Program, due: number, likely: string): Promise<void> {
  await program.until(() => (program.workers.length >= due ? true : program.ended), {
    within: seconds(10),
    alive: false,
  })
  if (waitsForEach(program)) {
    return note(`It forks one worker after another, so that ${due} of them were not waited for.`)
  }
  await expect(program).toHaveForked(due, { likely, read: 'a-configuration-that-refuses-nonsense' })
}

/** Whether it forks the next worker when the last one listens, which one that sleeps never does, or after a while. */
function waitsForEach({ workers, ended }: Program): boolean {
  const [last, before] = [workers.at(-1), workers.at(-2)]
  if (ended !== undefined || last === undefined) return false
  return before === undefined || last.forkedAt - before.forkedAt > 100
}

check('a WORKERS that makes no sense is refused', async () => {
  for (const values of [
    ['abc', '0', '-1', '4x'],
    ['1.5', '65', '1e9', '2,5'],
  ]) {
    // The first of them is told, whichever comes first.
    await inOrder(values.map((value) => isRefused(value)))
  }
})

async function isRefused(value: string): Promise<void> {
  await using program = await start({ workers: value, unready: true, fresh: true })
  const expected = `WORKERS=${value} is refused: exit code 1, a line on stderr that names WORKERS and ${value}, nothing forked`
  const advice = { expected, read: 'a-configuration-that-refuses-nonsense', repeat: program.command }
  const outcome = await program.until(() => program.ended ?? program.eventsOf('fork')[0] ?? served(program), {
    within: seconds(10),
    alive: false,
  })
  const forked = program.workers.length
  holds(forked === 0, { ...advice, got: 'it forks workers', likely: nonsense(value) })
  holds(outcome !== undefined, {
    ...advice,
    got: 'it forks nothing, and does not end',
    likely: nonsense(value),
  })
  holds('code' in outcome, { ...advice, got: 'it serves without workers', likely: nonsense(value) })
  const { code, signal } = outcome
  holds(code === 1, {
    ...advice,
    got: signal === null ? `it ended with exit code ${code}` : `it died of ${signal}`,
  })
  // The last lines may come after the news of the end.
  const named = await program.until(() => namesTheValue(program.lines('stderr'), value) || undefined, {
    within: seconds(2),
    alive: false,
  })
  const said = program.lines('stderr').join(' | ').slice(0, 200)
  const elsewhere = namesTheValue(program.lines('stdout'), value)
  holds(named === true, {
    ...advice,
    got: elsewhere
      ? 'the line came on stdout'
      : said === ''
        ? 'it ended without a word'
        : `on stderr: ${said}`,
    likely: elsewhere ? 'console.error writes to stderr, console.log to stdout' : undefined,
  })
}

function served(program: Program) {
  return program.eventsOf('server-listening')[0]
}

/** A program may print the value as it came or as the number that it stands for. NaN stands for none. */
function namesTheValue(lines: readonly string[], value: string): boolean {
  const number = Number(value)
  const names = [value, ...(Number.isNaN(number) ? [] : [String(number)])]
  return lines.some((line) => line.includes('WORKERS') && names.some((name) => line.includes(name)))
}

function nonsense(value: string): string {
  switch (value) {
    case 'abc':
      return "Number('abc') is NaN, and NaN || cores is cores; no comparison with NaN holds"
    case '0':
      return '0 || cores is cores: 0 counts as false'
    case '4x':
    case '2,5':
      return `parseInt and parseFloat read as far as they can: '${value}' is ${Number.parseFloat(value)} to them`
    case '1.5':
      return "parseInt('1.5') is 1: it stops reading at the point"
    case '1e9':
      return "parseInt('1e9') is 1: it stops reading at the e"
    default:
      return 'the number is read, but its limits are not looked at'
  }
}

check('an affinity of one core gives one worker', async () => {
  await using program = await start({ core: oneAllowedCore(), expect: 1 })
  await expect(program).toHaveForked(1, {
    likely:
      'os.cpus() lists the cores of the machine; os.availableParallelism() counts those that this process may use',
    read: 'count-the-cores-that-you-may-use',
  })
})

/** Between two listeners for one event, on a busy machine. A replacement takes longer to start. */
const MOST_APART_MS = 50

check('ready is printed once, when the slowest worker listens', async () => {
  await isPrompt()
  await using program = await start({ workers: 3, holdListen: 2, fresh: true, unready: true })
  const read = 'wait-for-every-worker-to-listen'
  const advice = {
    read,
    repeat: program.command,
    expected: `ready: 3 workers on port ${program.port}, when all three listen at once`,
  }
  const isUnready = (): void => {
    holds(readyLines(program).length === 0, {
      ...advice,
      got: `“${readyLines(program)[0]}” while ${program.listening.length} of 3 workers listened`,
      likely:
        'it comes after the fork loop, on the online event, or counts listening events rather than workers that listen',
    })
  }
  const held = await program.heldWorker()
  holds(held !== undefined, {
    ...advice,
    got: 'no second worker came to its listen()',
    likely: 'a worker is forked only when the one before listens on a port of its own, or too few are forked',
  })
  const others = () =>
    program.workers.every(({ pid, state }) => pid === held.pid || state === 'listening') || undefined
  await program.until(others, { within: seconds(10) })
  await program.quiet(250)
  isUnready()
  // Three have listened after this, but only two at once.
  const first = program.listening[0]
  if (first !== undefined) {
    const lost = await program.killOneWorker(first)
    await expect(program).toReplace(lost, { within: seconds(5), read: 'replace-what-dies' })
    isUnready()
  }
  // And one dies just before the last one listens: its replacement has to be waited for.
  const [again] = program.atLeast(1)
  const lost = await program.killOneWorker(again)
  await program.untilGone(lost)
  await program.releaseListen()
  const line = await program.until(() => readyLines(program)[0], { within: seconds(10) })
  holds(line !== undefined, {
    ...advice,
    got: whatWasSaid(program),
    likely: 'the line has another wording, or it is printed to stderr',
  })
  holds(line === `ready: 3 workers on port ${program.port}`, {
    ...advice,
    got: `“${line}”`,
    likely: 'the line is to be exactly this, alone on its line',
  })
  await program.quiet(150)
  const replacement = program.workers.find(({ forkedSeq }) => forkedSeq > lost.lostAfter)
  // A listener of the program's may be told of a listen, and print the line, before ours is told of it.
  holds((readyLine(program)?.at ?? 0) + MOST_APART_MS >= (replacement?.listeningAt ?? Infinity), {
    ...advice,
    got: 'it came while the replacement of a worker that had been killed did not listen yet',
    likely: 'a worker that has listened is counted for good, also when it has died since',
  })
  isReadyOnce(program)
  await servesWhenReady()
})

/** Where nothing holds a worker back, ready comes with the last of them, and not after some seconds. */
async function isPrompt(): Promise<void> {
  await using program = await start()
  const all = Math.max(...program.workers.map((worker) => worker.listeningAt ?? 0))
  const line = await program.until(() => readyLine(program), { within: seconds(2) })
  const late = line === undefined ? Infinity : line.at - all
  holds(late < 1_500, {
    expected: `ready: ${program.workers.length} workers on port ${program.port}, on stdout, as soon as all of them listen`,
    got: line === undefined ? whatWasSaid(program) : `it came ${(late / 1000).toFixed(1)} s after that`,
    likely:
      line === undefined
        ? 'the line has another wording, or it is printed to stderr'
        : 'a timer decides, and not the listening events',
    read: 'wait-for-every-worker-to-listen',
    repeat: program.command,
  })
}

/** Whoever reads the line may send requests, and gets answers. */
async function servesWhenReady(): Promise<void> {
  await using program = await start({ fresh: true, unready: true })
  const line = await program.until(() => readyLine(program), { within: seconds(10) })
  if (line === undefined) return // told by isPrompt
  const paths = Array.from({ length: 4 * program.workers.length }, () => '/')
  const read = 'wait-for-every-worker-to-listen'
  const likely =
    'a worker that listens gets requests at once: whatever has to be prepared comes before its listen()'
  const expected = 'requests that come just after the ready line are answered with 200'
  await Promise.all(paths.map((path) => program.get(path, { expected, likely, read })))
}

function readyLine(program: Program) {
  return program.eventsOf('line').find(({ stream, text }) => stream === 'stdout' && READY_LINE.test(text))
}

/** What comes closest to a ready line, for the message. */
function whatWasSaid(program: Program): string {
  const stdout = program.lines('stdout')
  const near = stdout.find((line) => /ready|listening|port/i.test(line)) ?? stdout[0]
  if (near !== undefined) return `on stdout: “${near.slice(0, 120)}”`
  const elsewhere = program.lines('stderr').find((line) => line.startsWith('ready'))
  return elsewhere === undefined ? 'nothing on stdout' : 'the line came on stderr'
}

function isReadyOnce(program: Program): void {
  const count = readyLines(program).length
  holds(count === 1, {
    expected: 'one ready line in the life of the program',
    got: `${count} of them: ${readyLines(program).join(' | ').slice(0, 160)}`,
    likely: 'it is printed per worker, or again when a replacement listens',
    read: 'wait-for-every-worker-to-listen',
    repeat: program.command,
  })
}

check('a taken port ends the program', async () => {
  await inOrder([endsOnTakenPort(), endsThoughOneIsLate()])
})

/** One worker does not get as far as its listen() for a while: it need not be waited for. */
async function endsThoughOneIsLate(): Promise<void> {
  const port = await freePort()
  await using _ = await holdPort(port)
  await using program = await start({ workers: 3, port, holdListen: 2, fresh: true, unready: true })
  const first = (): unknown => program.eventsOf('server-error')[0] ?? program.ended
  await program.until(first, { within: seconds(10), alive: false })
  await expect(program).toEnd({
    within: seconds(3),
    code: 1,
    read: 'a-port-that-is-taken',
    likely: 'the primary waits until every worker has failed, and one of them is late',
  })
}

async function endsOnTakenPort(): Promise<void> {
  const port = await freePort()
  await using _ = await holdPort(port)
  await using program = await start({ workers: 3, port, fresh: true, unready: true })
  const read = 'a-port-that-is-taken'
  const advice = { read, repeat: `${program.command} & ${program.command}` }
  const refused = await program.until(() => program.eventsOf('server-error')[0] ?? program.ended, {
    within: seconds(10),
    alive: false,
  })
  holds(refused !== undefined, {
    ...advice,
    expected: 'the program tries to listen on PORT, within 10 s',
    got: program.listening.length > 0 ? 'it listens on another port' : 'nothing in it listens',
  })
  await expect(program).toEnd({
    within: seconds(3),
    code: 1,
    read,
    likely:
      'each worker that fails to listen dies and is replaced by one that fails too; the primary has to be told, and to end',
  })
  holds(program.workers.length <= 3, {
    ...advice,
    expected: 'at most one fork for each of the 3 workers',
    got: `${program.workers.length} forks`,
    likely: 'a worker that cannot listen is replaced by one that cannot either',
  })
  const named = await program.until(
    () => program.lines('stderr').find((line) => line.includes(String(port))),
    {
      within: seconds(2),
      alive: false,
    },
  )
  holds(named !== undefined, {
    ...advice,
    expected: 'a line on stderr that names the port',
    got: program.lines('stderr').join(' | ').slice(0, 200) || 'nothing on stderr',
    likely: program.lines('stderr').some((line) => line.includes('internal/cluster/primary'))
      ? 'the primary itself died, of an answer to a worker that had ended: a worker that cannot listen ends before the answer to another listen of its comes'
      : 'the line is printed to stdout, or the port is not in it',
  })
  await expect(program).toLeaveNoProcess({ within: seconds(5), read })
}

check('a killed worker is replaced, and its replacement serves', async () => {
  await using program = await start({ workers: 2, fresh: true })
  const read = 'replace-what-dies'
  const killed = await program.killOneWorker()
  await expect(program).toReplace(killed, { within: seconds(5), read })
  await everyWorkerServes(program)
  // However a worker ends, it is missing. The second victim is a replacement: a listener that only the first workers
  // have replaces only them.
  const left = await program.exitOneWorker(0, program.listening.at(-1))
  await expect(program).toReplace(left, {
    within: seconds(5),
    expected: 'a worker that ends with exit code 0 is replaced too, also one that was a replacement itself',
    likely: 'only exit codes other than 0 count as deaths, or only the first workers have a listener',
    read,
  })
  const crashed = await program.exitOneWorker(1)
  await expect(program).toReplace(crashed, {
    within: seconds(5),
    expected: 'a serving worker that ends with exit code 1, as a crash does, is replaced',
    likely: 'exit code 1 is taken for a port that is taken, which a worker that has listened cannot mean',
    read,
  })
  await isReplacedAfterSigterm(program)
  await everyWorkerServes(program)
  // There is no number of deaths after which a worker that served is not replaced, or late.
  for (let deaths = 0; deaths < 10; deaths += 2) await replacesAll(program, { within: seconds(5), read })
  const gone = program.workers.filter(({ state }) => state === 'gone').length
  await expect(program).toHaveForked(2 + gone, { read })
  isReadyOnce(program)
  await theOnlyOneIsReplaced()
})

async function theOnlyOneIsReplaced(): Promise<void> {
  await using program = await start({ workers: 1, fresh: true })
  await expect(program).toReplace(await program.killOneWorker(), {
    within: seconds(5),
    expected: 'the only worker is replaced, too',
    likely: 'a program without live workers is taken for one that is to end',
    read: 'replace-what-dies',
  })
}

/** What an operator sends to one process. A worker may listen for it, and live on. */
async function isReplacedAfterSigterm(program: Program): Promise<void> {
  const [victim] = program.atLeast(1)
  const lostAfter = program.lastSeq
  await program.signal('SIGTERM', victim.pid)
  const isGone = (): true | undefined =>
    program.workers.some(({ pid, state }) => pid === victim.pid && state === 'gone') || undefined
  if ((await program.until(isGone, { within: seconds(3) })) === undefined) return
  await expect(program).toReplace(
    { ...victim, lostAfter },
    {
      within: seconds(5),
      expected: 'a worker that SIGTERM has ended is replaced, too',
      likely: 'a death by SIGTERM is taken for one that the primary has ordered',
      read: 'replace-what-dies',
    },
  )
}

async function everyWorkerServes(program: Program): Promise<void> {
  await meetEveryWorker(program, '/render?visitor=load', {
    within: seconds(5),
    likely: 'a worker listens, but never gets to answer: it listens elsewhere, or its event loop is blocked',
    read: 'replace-what-dies',
  })
}

check('every page is rendered for its visitor', async () => {
  await using program = await start()
  await servesPages(program, 'one-page-one-render')
})

check('unknown paths and wrong methods are refused, and nothing ends', async () => {
  await using program = await start()
  await refusesOddRequests(program, ['/', '/render'], 'refuse-what-you-do-not-serve')
  // It has run for a while.
  isReadyOnce(program)
})

check('the workers share the load', async () => {
  await using program = await start({ workers: workersUnderLoad() })
  await expect(program).toGetShare(0.7, { read: 'sharing-the-load' })
})

check('SIGTERM ends the program', async () => {
  await inOrder([endsWhenAsked(), endsWhenOneHasJustDied()])
})

async function endsWhenAsked(): Promise<void> {
  await using program = await start()
  await endsOnSigterm(program, 'the-end-of-the-program')
}

/** Nobody is forked any more, also for a worker that died before. */
async function endsWhenOneHasJustDied(): Promise<void> {
  await using program = await start({ fresh: true })
  await endsAfterADeath(program, {
    likely: 'a replacement that was due is forked after SIGTERM, and keeps the program alive',
    read: 'the-end-of-the-program',
  })
}

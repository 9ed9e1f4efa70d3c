import {
  asksForTheDefaultPort,
  check,
  endsOnSigterm,
  expect,
  expectCost,
  holds,
  pause,
  refusesOddRequests,
  servesPages,
  start,
  startReference,
  type Program,
} from '#harness'

/** One process: nothing is forked, so ready means that it listens itself. */
const one = { expect: 0 }

check('it listens on PORT and tells its pid and uptime', async () => {
  await using program = await start(one)
  const read = 'the-contract'
  const repeat = program.commandWith('/')
  // Some time before the first request: from it nothing may be counted.
  await using unset = await start({ ...one, withoutPort: 8000, unready: true, fresh: true })
  await asksForTheDefaultPort(unset, read)
  const told = Date.now()
  const before = performance.now()
  const first = await program.getJson('/', { read })
  await pause(100)
  const second = await program.getJson('/', { read })
  const between = performance.now() - before
  holds(first.pid === program.pid, {
    expected: `/ answers { pid, uptimeMs } with pid ${program.pid}, the one process of this program`,
    got: `pid ${JSON.stringify(first.pid)}`,
    read,
    repeat,
  })
  const [early, late] = [first.uptimeMs, second.uptimeMs]
  holds(typeof early === 'number' && typeof late === 'number' && early >= 0, {
    expected: 'uptimeMs is a number of milliseconds',
    got: `uptimeMs ${JSON.stringify(early)}`,
    read,
    repeat,
  })
  // Counted from wherever its start may be taken to be: before it listens, and after it was started.
  const [longest, shortest] = ages(program, told)
  holds(early >= shortest && early <= longest, {
    expected: `uptimeMs counts from the start of the program: here ${shortest} to ${longest}`,
    got: `uptimeMs ${early}`,
    likely: early > longest ? 'it is the time of day' : 'it counts from the first request, or in seconds',
    read,
    repeat,
  })
  holds(late - early >= 50 && late - early <= between + 50, {
    expected: `uptimeMs grows by the milliseconds that pass: here 100 to ${Math.ceil(between)}`,
    got: `it grew by ${Number((late - early).toFixed(3))}`,
    likely: 'process.uptime() counts seconds',
    read,
    repeat,
  })
})

/** Milliseconds since it was started, and since it listened when it was first asked, with a tenth of a second to spare. */
function ages(program: Program, asked: number): readonly [longest: number, shortest: number] {
  const at = (event: { readonly at: number } | undefined): number => event?.at ?? asked
  const started = at(program.eventsOf('started')[0])
  const listened = at(program.eventsOf('server-listening')[0])
  return [Math.ceil(Date.now() - started) + 100, Math.max(0, Math.floor(asked - listened) - 100)]
}

check('every page is rendered for its visitor', async () => {
  await using program = await start(one)
  await servesPages(program, 'one-page-one-render')
})

check('unknown paths and wrong methods are refused, and nothing ends', async () => {
  await using program = await start(one)
  await refusesOddRequests(program, ['/', '/render', '/report', '/lag'], 'refuse-what-you-do-not-serve')
})

check('a report is right, and two at once are right too', async () => {
  await using program = await start(one)
  await using reference = await startReference(0)
  const words = 40 * Number((await reference.get('/words?visitor=report')).text)
  const begun = performance.now()
  const alone = await program.getJson('/report', { read: 'the-contract' })
  const third = (performance.now() - begun) / 3
  isReport(program, alone, words, 'the words of another visitor are counted, or not those of 40 renders')
  const report = (): Promise<Readonly<Record<string, unknown>>> => program.getJson('/report')
  const disturbed = 'two reports add to one variable: what belongs to a request belongs in its function'
  const together = [report(), ...[15, 30].map((ms) => pause(ms).then(report))]
  for (const one of await Promise.all(together)) isReport(program, one, words, disturbed)
  // One that comes later, and one that comes when the first of two has gone.
  const first = report()
  const inTurn = [first, pause(third).then(report), first.then(report)]
  for (const one of await Promise.all(inTurn)) isReport(program, one, words, disturbed)
})

function isReport(
  program: Program,
  report: Readonly<Record<string, unknown>>,
  words: number,
  likely: string,
): void {
  holds(report.renders === 40 && report.words === words, {
    expected: `/report answers { "renders": 40, "words": ${words} }`,
    got: JSON.stringify(report).slice(0, 120),
    likely,
    read: 'keep-the-state-of-a-job-with-the-job',
    repeat: program.commandWith('/report'),
  })
}

check('the server answers while a report runs', async () => {
  await using program = await start(one)
  // Looked at up to three times, since one late wake-up of this machine says nothing about the program.
  const waits: Wait[] = []
  do waits.push(await waitBesideReport(program))
  while (waits.length < 3 && !isShort(waits.at(-1)))
  holds(isShort(waits.at(-1)), {
    expected:
      'while a report runs, the slowest GET / waits less than a quarter of the time that the report takes',
    got: waits.map(({ slowest, report }) => `${Math.round(slowest)} of ${Math.round(report)} ms`).join(', '),
    likely:
      'the report runs in one go, or yields only to microtasks: the event loop must turn between two renders',
    read: 'let-the-loop-turn',
    repeat: `${program.command} & sleep 1; curl -s localhost:8000/report & sleep 0.05; time curl -s localhost:8000/; wait %2; kill %1`,
  })
})

/** 40 renders of 5 ms or more take longer. */
const SHORT_REPORT_MS = 60

/** How long the slowest `GET /` waited, and how long the report beside it took, in ms. */
interface Wait {
  readonly slowest: number
  readonly report: number
}

function isShort(wait: Wait | undefined): boolean {
  // A report that takes no time keeps nobody waiting: that it costs too little is for a later check to say.
  return wait !== undefined && (wait.report < SHORT_REPORT_MS || wait.slowest < wait.report / 4)
}

/** Asks for / again and again, at least ten times, as long as a report runs. */
async function waitBesideReport(program: Program): Promise<Wait> {
  let running = true
  const report = program.get('/report').finally(() => (running = false))
  let slowest = 0
  for (let asked = 0; running || asked < 10; asked += 1) {
    const { ms } = await program.get('/')
    slowest = Math.max(slowest, ms)
  }
  return { slowest, report: (await report).ms }
}

const BLOCK_MS = 200
/** Some ten ticks before the block and some ten after: the block is the 99th percentile, and not the 90th. */
const AROUND_MS = 100

check('lag is in milliseconds, since the last call', async () => {
  await using program = await start({ ...one, fresh: true })
  await showsTheFirstBlock(program)
  // Twice, with one call in between: what is kept from every second call only would be right in one of the two.
  await showsABlock(program)
  await showsIdleness(program)
  await showsABlock(program)
  await showsIdleness(program)
})

async function showsABlock(program: Program): Promise<void> {
  // A machine that stalls may swallow what a block would show: one of three is seen.
  for (let blocks = 1; blocks <= 3; blocks += 1) {
    await askForLag(program)
    await pause(AROUND_MS)
    await program.block(BLOCK_MS)
    await pause(BLOCK_MS + AROUND_MS)
    await askForOther(program)
    const lag = await askForLag(program)
    if (isShown(lag)) return
    if (blocks === 3) showsTheBlock(program, lag)
  }
}

async function showsIdleness(program: Program): Promise<void> {
  // Whatever else this machine does, one of three idle spells is quiet.
  const idle: Lag[] = []
  do {
    await pause(300)
    idle.push(await askForLag(program))
  } while (idle.length < 3 && !isLow(idle.at(-1)))
  const last = idle.at(-1)
  holds(isLow(last), {
    expected: `after ${idle.length} idle spells of 300 ms: p99Ms and maxMs well under ${BLOCK_MS / 2}, utilization under 0.25`,
    got: JSON.stringify(last),
    likely:
      'the histogram is never reset, or the utilization counts since the start and not since the last call',
    read: 'lag-in-milliseconds-since-the-last-call',
    repeat: repeatLag(program),
  })
}

/** The first answer counts from the start, however long ago that was. */
async function showsTheFirstBlock(program: Program): Promise<void> {
  await program.block(BLOCK_MS)
  // Not since the last second, or whatever else is not the last call.
  await pause(BLOCK_MS + 2_800)
  await askForOther(program)
  const { maxMs } = await askForLag(program)
  holds(isBlock(maxMs) || maxMs > BLOCK_MS * 20, {
    expected: `the first answer of /lag counts since the start: a maxMs of ${BLOCK_MS} or more, after a block of that length`,
    got: `maxMs ${maxMs}`,
    likely:
      'the histogram is enabled by the first call, or reset by a timer or by another request, or maxMs is a percentile, which one late tick among a hundred does not move',
    read: 'lag-in-milliseconds-since-the-last-call',
    repeat: repeatLag(program),
  })
  // Asked again at once: no tick has come meanwhile, and numbers are due all the same.
  await askForLag(program)
  await askForLag(program)
}

/** Only `/lag` begins a new spell. */
async function askForOther(program: Program): Promise<void> {
  for (const path of ['/', '/nowhere']) await program.fetch(path)
}

interface Lag {
  readonly p99Ms: number
  readonly maxMs: number
  readonly utilization: number
}

async function askForLag(program: Program): Promise<Lag> {
  const { p99Ms, maxMs, utilization } = await program.getJson('/lag', {
    read: 'lag-in-milliseconds-since-the-last-call',
  })
  const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value)
  holds(isNumber(p99Ms) && isNumber(maxMs) && isNumber(utilization), {
    expected: '/lag answers { p99Ms, maxMs, utilization }, three numbers',
    got: JSON.stringify({ p99Ms, maxMs, utilization }),
    likely:
      'NaN becomes null in JSON: without a sample there is no mean, Math.max() is -Infinity, and 0 / 0 is NaN',
    read: 'lag-in-milliseconds-since-the-last-call',
    repeat: repeatLag(program),
  })
  return { p99Ms, maxMs, utilization }
}

function isBlock(ms: number): boolean {
  return ms >= BLOCK_MS * 0.7 && ms <= BLOCK_MS * 20
}

function isShown({ p99Ms, maxMs, utilization }: Lag): boolean {
  return isBlock(p99Ms) && isBlock(maxMs) && utilization >= 0.3 && utilization <= 1
}

function showsTheBlock(program: Program, lag: Lag): void {
  holds(isBlock(lag.p99Ms) && isBlock(lag.maxMs), {
    expected: `after a block of ${BLOCK_MS} ms: p99Ms and maxMs of about ${BLOCK_MS}`,
    got: `p99Ms ${lag.p99Ms} and maxMs ${lag.maxMs}`,
    likely:
      lag.maxMs > BLOCK_MS * 20
        ? 'monitorEventLoopDelay counts nanoseconds: 1 ms is 1,000,000 of them'
        : 'the delay is not watched all the time, or it is watched in seconds, or p99Ms is another percentile',
    read: 'lag-in-milliseconds-since-the-last-call',
    repeat: repeatLag(program),
  })
  holds(lag.utilization >= 0.3 && lag.utilization <= 1, {
    expected: `a utilization between 0.3 and 1 over some 400 ms of which ${BLOCK_MS} were blocked`,
    got: `utilization ${lag.utilization}`,
    likely:
      lag.utilization > 1
        ? 'a percentage where a ratio was asked for'
        : 'it counts since the start, and not since the last call',
    read: 'lag-in-milliseconds-since-the-last-call',
    repeat: repeatLag(program),
  })
}

function isLow(lag: Lag | undefined): boolean {
  return lag !== undefined && lag.p99Ms < BLOCK_MS / 2 && lag.maxMs < BLOCK_MS / 2 && lag.utilization < 0.25
}

function repeatLag(program: Program): string {
  return `${program.command} & sleep 1; curl -s localhost:8000/lag; sleep 1; curl -s localhost:8000/lag; kill %1`
}

check('it stays one process with one thread', async () => {
  await using program = await start(one)
  const report = program.get('/report')
  await pause(50)
  const processes = await program.processes()
  await report
  const children = program.eventsOf('spawned').filter(({ file }) => !isEsbuild(file))
  const others = processes.filter(({ pid, command }) => pid !== program.pid && !isEsbuild(command))
  holds(program.workers.length === 0 && children.length === 0 && others.length === 0, {
    expected: 'one process, also while a report runs',
    got: program.workers.length > 0 ? 'it forks workers' : 'it starts another process',
    likely: 'this lesson is the baseline: the next one forks',
    read: 'one-process-and-one-thread',
    repeat: program.command,
  })
  const threads = program.eventsOf('thread').length
  holds(threads === 0, {
    expected: 'no thread of its own, also while a report runs',
    got: `${threads} ${threads === 1 ? 'Worker was' : 'Workers were'} created`,
    likely: 'a Worker of node:worker_threads runs JavaScript on another core: this lesson is about one',
    read: 'one-process-and-one-thread',
    repeat: program.command,
  })
})

/** tsx transpiles with the help of a process of its own, which a thread starts that no observer is in. */
function isEsbuild(file: string): boolean {
  return file.includes('esbuild')
}

check('a page costs one render', async () => {
  await using program = await start(one)
  const bounds = { atLeast: 0.6, atMost: 1.5 }
  await expectCost(program, { path: (visitor) => `/render?visitor=${visitor}`, renders: 1 }, bounds, {
    tooLittle: 'pages are kept from one request to the next',
    tooMuch: 'a page is rendered twice for one request, for instance to know its length',
    read: 'one-page-one-render',
  })
  await expectCost(program, { path: () => '/report', renders: 40, counted: true, beside: '/' }, bounds, {
    tooLittle: 'one render is counted 40 times',
    tooMuch: 'more is rendered than the 40 pages of a report',
    read: 'one-page-one-render',
  })
})

check('it uses one core fully, and no more', async () => {
  await using program = await start(one)
  await expect(program).toUseOneCore({ ratio: 0.85, share: 0.25, read: 'one-loop-and-one-core' })
})

check('SIGTERM ends the program', async () => {
  await using program = await start(one)
  await endsOnSigterm(program, 'the-end-of-the-program')
})

import { createHash } from 'node:crypto'
import { mkdir, readFile, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { EnvironmentProblem } from '../harness/problems.ts'
import type { Results } from '../harness/verdict.ts'
import { check } from './check.ts'
import { Interruption } from './desk.ts'
import { exitCodeOfCommand } from './endings.ts'
import { type TestDesk, testDesk, testProject, until, write } from './testing/desk.ts'
import { type FakeGrader, type Story, fakeGrader } from './testing/grader.ts'
import { broken, failing, inconclusive, passing } from './testing/stories.ts'

let project: Awaited<ReturnType<typeof testProject>>
beforeEach(async () => {
  project = await testProject()
})
afterEach(() => project[Symbol.asyncDispose]())

interface Ended {
  readonly code: number
  readonly desk: TestDesk
  readonly grader: FakeGrader
}

async function run(args: readonly string[], story: Story | (() => Story) = passing): Promise<Ended> {
  const grader = fakeGrader(typeof story === 'function' ? story : () => story)
  const desk = testDesk({ root: project.root, grader })
  const code = await exitCodeOfCommand(desk, () => check(args, desk))
  return { code, desk, grader }
}

/** Without what differs from machine to machine. */
const unsigned = (text: string): string => text.replace(/Signed off: [^]*/, 'Signed off: …\n')

const progressOf = (slug: string): Promise<string> =>
  readFile(join(project.root, '.workshop', 'progress', `${slug}.json`), 'utf8')

test('a failure is told with all that is known of it, and ends with 1', async () => {
  const { code, desk } = await run(['3'], failing)
  expect(code).toBe(1)
  expect(desk.stderr.text()).toBe('')
  expect(unsigned(desk.stdout.text())).toMatchInlineSnapshot(`
    "3 · A basic cluster                           lessons/03-basic-cluster/server.ts
      ✓ one worker per available core by default                               0.6 s
      ✓ WORKERS sets the number, and an empty one counts as unset              0.6 s
      ✗ a WORKERS that makes no sense is refused                               0.4 s
          expected  exit code 1 and a line on stderr that names WORKERS and abc
          got       it forked 2 workers
          likely    Number('abc') is NaN, and \`NaN || cores\` is cores
          read      lessons/03-basic-cluster/README.md#a-configuration-that-refuses-nonsense
          repeat    WORKERS=abc PORT=8000 node --import tsx lessons/03-basic-cluster/server.ts
      · an affinity of one core gives one worker                             skipped
      · ready is printed once, when the slowest worker listens               skipped
      · the workers share the load                                           skipped
      · SIGTERM ends the program                                             skipped

    Lesson 3: failed. 2.1 s
    Next: npm run lesson 3
    Signed off: …
    "
  `)
})

test('several lessons end in a table and a score', async () => {
  const stories = [passing, inconclusive]
  const { code, desk } = await run(['1', '02'], () => stories.shift() ?? failing)
  expect(code).toBe(3)
  expect(unsigned(desk.stdout.text()).split('\n').slice(-9).join('\n')).toMatchInlineSnapshot(`
    "
        lesson            verdict     checks    time
      ✓  1 · The baseline passed         7/7   2.1 s
      ?  2 · Two roles    inconclusive   5/7   2.1 s

    1 of 2 lessons passed, 1 inconclusive. 4.2 s
    Next: npm run lesson 2
    Signed off: …
    "
  `)
})

test('without numbers all lessons are graded, and a number given twice counts once', async () => {
  const all = await run([])
  expect(all.grader.graded.map((subject) => subject.number)).toEqual([1, 2, 3])
  const twice = await run(['3', '03', 'basic'])
  expect(twice.grader.graded.map((subject) => subject.number)).toEqual([3])
})

test.each([
  [passing, 0],
  [failing, 1],
  [inconclusive, 3],
  [broken, 4],
])('the exit code is the verdict (%#)', async (story, code) => {
  const ended = await run(['3'], story)
  expect(ended.code).toBe(code)
  expect(ended.grader.closed).toBe(true)
})

test('--seed is handed to the checks, and is a whole number', async () => {
  const { grader } = await run(['3', '--seed', '42'])
  expect(grader.graded.flat()).toMatchObject([{ number: 3, seed: 42 }])
  const refused = await run(['3', '--seed', 'lucky'])
  expect(refused.code).toBe(2)
  expect(refused.desk.stderr.text()).toContain('--seed takes a whole number')
})

test('with --json standard output is the document and nothing else', async () => {
  const { code, desk } = await run(['3', '--json'], failing)
  expect(code).toBe(1)
  expect(desk.stderr.text()).toBe('')
  const results = JSON.parse(desk.stdout.text()) as Results
  expect(results.failed).toBe(1)
  expect(results.lessons[0]?.checks).toEqual(failing.checks)
  expect(desk.stdout.text()).toBe(`${JSON.stringify(results, undefined, 2)}\n`)
})

test('--output writes the same document, whole, and leaves nothing beside it', async () => {
  const { code, desk } = await run(['3', '--json', '--output', 'results.json'])
  expect(code).toBe(0)
  expect(await readFile(join(project.root, 'results.json'), 'utf8')).toBe(desk.stdout.text())
  expect(await readdir(project.root)).not.toContainEqual(expect.stringContaining('.tmp'))
})

test('results are signed off with the machine, the seed, and what was graded by what', async () => {
  const { desk } = await run(['3', '--json', '--seed', '42'])
  const results = JSON.parse(desk.stdout.text()) as Results
  expect(results).toMatchObject({ seed: 42, machine: { installed: expect.any(Number) } })
  const file = 'lessons/03-basic-cluster/server.ts'
  const content = await readFile(join(project.root, file))
  expect(results.lessons[0]?.sources).toEqual({ [file]: createHash('sha256').update(content).digest('hex') })
  expect(results.lessons[0]?.checker).toMatch(/^[0-9a-f]{64}$/)
  const shown = await run(['3', '--seed', '42'])
  expect(shown.desk.stdout.text().replaceAll('\n', ' ')).toMatch(
    /Signed off: [\d-]+ [\d:]+ UTC · Every Core [\d.]+ · Node v\S+ on \S+ · \d+ × .+ · seed 42 · sha256 [0-9a-f]{12} $/,
  )
})

test('a run without a seed draws one and names it', async () => {
  const { desk, grader } = await run(['1', '3', '--json'])
  const { seed } = JSON.parse(desk.stdout.text()) as Results
  expect(seed).toEqual(expect.any(Number))
  expect(grader.graded.map((subject) => subject.seed)).toEqual([seed, seed])
})

test('--junit and --markdown write beside --output; Markdown is added to what is there', async () => {
  await write(join(project.root, 'summary.md'), 'before\n')
  const args = ['3', '--junit', 'junit.xml', '--markdown', 'summary.md', '--output', 'results.json']
  const { code } = await run(args, failing)
  expect(code).toBe(1)
  expect(await readFile(join(project.root, 'junit.xml'), 'utf8')).toContain(
    '<testsuite id="0" name="03-basic',
  )
  expect(await readFile(join(project.root, 'summary.md'), 'utf8')).toMatch(
    /^before\n## Every Core: 0 of 1 lesson /,
  )
  expect(JSON.parse(await readFile(join(project.root, 'results.json'), 'utf8'))).toMatchObject({ failed: 1 })
  expect(await readdir(project.root)).not.toContainEqual(expect.stringContaining('.tmp'))
})

test.each(['--junit', '--markdown'])(
  '%s into a place that cannot be written to is refused at once',
  async (option) => {
    const { code, desk, grader } = await run([option, 'no/such/file'])
    expect([code, desk.stderr.text()]).toEqual([2, expect.stringContaining(`${option}: `)])
    expect(desk.stderr.text()).toContain('its folder does not exist')
    expect(grader.graded).toEqual([])
  },
)

test('two documents in one file are refused, and nothing is left', async () => {
  const { code, desk } = await run(['3', '--junit', 'one', '--output', './one'])
  expect([code, desk.stderr.text()]).toEqual([2, expect.stringContaining('name the same file')])
  expect(await readdir(project.root)).not.toContainEqual(expect.stringContaining('one'))
})

test('two documents are compared: verdicts, shares, and what they were made of', async () => {
  await run(['3', '--seed', '1', '--output', 'before.json'], failing)
  await write(join(project.root, 'lessons/03-basic-cluster/server.ts'), 'const cores = 4\n')
  await run(['3', '--seed', '2', '--output', 'after.json'])
  const { code, desk, grader } = await run(['--compare', 'before.json', 'after.json'])
  expect([code, grader.graded]).toEqual([0, []])
  expect(desk.stdout.text().replace(/The same: [^]*/, 'The same: …')).toMatchInlineSnapshot(`
    "before.json → after.json

      lesson            verdict          share     program
      03-basic-cluster  failed → passed  – → 95 %  another

      seed: 1 → 2
      The same: …"
  `)
})

test.each([
  [['--compare', 'one.json'], '--compare takes two documents'],
  [['--compare', 'no.json', 'one.json'], 'there is no such file'],
  [['--compare', 'lessons', 'one.json'], 'it is a folder'],
  [['--compare', 'one.json', 'one.json'], 'one.json is no document of results'],
])('%j is refused with advice, and nothing is graded', async (args, advice) => {
  await write(join(project.root, 'one.json'), '{ "lessons": [{}] }')
  const { code, desk, grader } = await run(args)
  expect([code, desk.stderr.text()]).toEqual([2, expect.stringContaining(advice)])
  expect(grader.graded).toEqual([])
})

test('a file that cannot be written is refused before anything is graded', async () => {
  const missing = await run(['--output', 'no/such/folder.json'])
  expect(missing.code).toBe(2)
  expect(missing.desk.stderr.text()).toContain('its folder does not exist')
  expect(missing.grader.graded).toEqual([])
  await mkdir(join(project.root, 'taken'))
  const folder = await run(['--output=taken'])
  expect([folder.code, folder.desk.stderr.text()]).toEqual([2, expect.stringContaining('name a file')])
})

test('progress remembers what was graded', async () => {
  await run(['3'], failing)
  expect(JSON.parse(await progressOf('03-basic-cluster'))).toMatchObject({
    attempts: 1,
    last: { verdict: 'failed', stoppedAt: 'a WORKERS that makes no sense is refused' },
  })
})

test('solutions and other files leave no trace in the progress', async () => {
  const solutions = await run(['3', '--solutions'])
  expect(solutions.grader.graded[0]?.file).toBe(join(project.root, 'solutions/03-basic-cluster/server.ts'))
  await write(join(project.root, 'my own.ts'), '')
  const file = await run(['3', '--file', 'my own.ts'])
  expect(file.grader.graded[0]?.file).toBe(join(project.root, 'my own.ts'))
  await expect(progressOf('03-basic-cluster')).rejects.toThrow('ENOENT')
})

test('a file that tsx would not find is refused, and no program is blamed', async () => {
  await write(join(project.root, 'try #1', 'server.ts'), '')
  const { code, desk, grader } = await run(['3', '--file', 'try #1/server.ts'])
  expect([code, grader.graded]).toEqual([2, []])
  expect(desk.stderr.text()).toContain('has a # in its path')
})

test.each([
  [['--jsn'], 'There is no option --jsn: did you mean --json?'],
  [['--frobnicate'], 'There is no option --frobnicate: the options are --json, --output,'],
  [['--output'], '--output needs a FILE'],
  [['--file', '--json', '3'], '--file needs a PATH'],
  [['--json=yes'], '--json takes no value.'],
  [['12'], 'There is no lesson 12: choose 1 to 3.'],
  [['--file', 'server.ts'], 'npm run check -- 3 --file PATH'],
  [['1', '2', '--file', 'lessons/01-single-thread/server.ts'], 'npm run check -- 3 --file PATH'],
  [['3', '--file', 'nowhere.ts'], 'There is no file'],
  [['3', '--file', 'lessons'], 'is not a file'],
])('%j is refused with advice', async (args, advice) => {
  const { code, desk, grader } = await run(args)
  expect(code).toBe(2)
  expect(desk.stderr.text()).toContain(advice)
  expect(desk.stdout.text()).toBe('')
  expect(grader.graded).toEqual([])
})

test('a lost file of the learner is told with the way to get it back', async () => {
  await rm(join(project.root, 'lessons/02-two-roles/server.ts'))
  const { code, desk } = await run(['2'])
  expect([code, desk.stderr.text()]).toEqual([2, expect.stringContaining('npm run lesson 2 reset')])
})

test("this machine's problem ends with 2 and one line of advice", async () => {
  const { code, desk, grader } = await run(['3'], () => {
    throw new EnvironmentProblem('No port can be listened on.', 'Allow loopback connections.')
  })
  expect(code).toBe(2)
  expect(desk.stderr.text()).toBe('No port can be listened on.\nAllow loopback connections.\n')
  expect(grader.closed).toBe(true)
})

test('our own fault is not swallowed', async () => {
  const grading = run(['3'], () => {
    throw new TypeError('x is not a function')
  })
  await expect(grading).rejects.toThrow('x is not a function')
})

test('an interruption cancels the grading, closes the grader and keeps its exit code', async () => {
  const grader = fakeGrader(() => passing, { paceMs: 60_000 })
  const desk = testDesk({ root: project.root, grader })
  const ending = exitCodeOfCommand(desk, () => check(['3'], desk))
  await until(() => grader.graded.length > 0, desk.stdout.text)
  desk.interrupt(new Interruption(130))
  expect(await ending).toBe(130)
  expect(grader.closed).toBe(true)
})

test('a reader that went away ends the grading, with what is known', async () => {
  const grader = fakeGrader(() => failing, { paceMs: 5 })
  const desk = testDesk({ root: project.root, grader })
  desk.stdout.on('error', () => undefined)
  const ending = exitCodeOfCommand(desk, () => check([], desk))
  await until(() => desk.stdout.text().includes('✗'), desk.stdout.text)
  desk.stdout.emit('error', Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }))
  expect(await ending).toBe(1)
  expect(grader.closed).toBe(true)
})

test('in a terminal the running check and the three bars are drawn', async () => {
  const grader = fakeGrader(() => passing, { paceMs: 20 })
  const desk = testDesk({ root: project.root, grader, terminal: true })
  expect(await check(['3', '--no-color'], desk)).toBe(0)
  expect(desk.stdout.text()).toMatch(/[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] the workers share the load/)
  expect(desk.stdout.text()).toMatch(/ideal cluster +█+.* 382 req\/s/)
})

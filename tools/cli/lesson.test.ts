import { readFile, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { exitCodeOfCommand } from './endings.ts'
import { lesson } from './lesson.ts'
import { type TestDesk, testDesk, testProject, write } from './testing/desk.ts'
import { type FakeGrader, type Story, fakeGrader } from './testing/grader.ts'
import { failing, passing, throughput } from './testing/stories.ts'

let project: Awaited<ReturnType<typeof testProject>>
beforeEach(async () => {
  project = await testProject()
})
afterEach(() => project[Symbol.asyncDispose]())

async function run(
  args: readonly string[],
  story: Story = passing,
): Promise<{ readonly code: number; readonly desk: TestDesk; readonly grader: FakeGrader }> {
  const grader = fakeGrader(() => story)
  const desk = testDesk({ root: project.root, grader })
  const code = await exitCodeOfCommand(desk, () => lesson(args, desk))
  return { code, desk, grader }
}

const learners = (slug: string): string => join(project.root, 'lessons', slug, 'server.ts')

test('the list shows what was done and what is next', async () => {
  await run(['1'])
  await run(['2'], failing)
  const { desk } = await run([])
  expect(desk.stdout.text().replaceAll(/\d{4}-\d\d-\d\d/g, 'DAY')).toMatchInlineSnapshot(`
    "Every Core · 1 of 3 lessons passed

      ✓  1 · The baseline     passed on DAY
      ✗  2 · Two roles        the last check failed: a WORKERS that makes no sense …
      ·  3 · A basic cluster

    Next: npm run lesson 2
    "
  `)
})

test('what of this machine matters stands above the list and above the first visit to a lesson, not later', async () => {
  const caution = '! cores: 1, without a quota. What that means: npm run doctor'
  const visit = async (args: readonly string[]): Promise<string> => {
    const desk = testDesk({ root: project.root, grader: fakeGrader(() => failing), caution })
    await lesson(args, desk)
    return desk.stdout.text()
  }
  expect(await visit([])).toMatch(
    /^! cores: 1, without a quota\. What that means: npm run doctor\n\nEvery Core/,
  )
  expect(await visit(['3'])).toMatch(/^! cores: 1/)
  expect(await visit(['3'])).not.toContain('! cores')
})

test('when all lessons are passed, the list tells what was measured on the way', async () => {
  await run(['1'], { ...passing, throughput: { ...throughput, yours: 205, share: 0, threshold: 0.25 } })
  await run(['2'])
  const last = await run(['3'])
  expect(last.desk.stdout.text()).toContain('What you have built, measured on this machine')
  const { desk } = await run([])
  expect(desk.stdout.text().split('What you have built')[1]).toMatchInlineSnapshot(`
    ", measured on this machine

        lesson                one core     yours     times     share      cost
         1 · The baseline          206       205    0.99 ×              1.02 ×
         2 · Two roles             206       391    1.90 ×      95 %    1.02 ×
         3 · A basic cluster       206       391    1.90 ×      95 %    1.02 ×

        Requests a second of one process, and of your program; how many times that
        is; its share of the speed-up of a plain cluster; and what a page costs in
        CPU time against one plain process (on shared cores a little over 1 is
        usual). Each line is from the last check of that lesson, so other programs
        may have used the cores.
    "
  `)
})

test('a later failure does not take a pass back, and is shown', async () => {
  await run(['1'])
  await run(['1'], failing)
  const { desk } = await run([])
  expect(desk.stdout.text()).toContain('Every Core · 1 of 3 lessons passed')
  expect(desk.stdout.text()).toMatch(/✓ {2}1 · The baseline {5}passed on [\d-]+; the last check failed/)
})

test('without a terminal a lesson is shown and checked once', async () => {
  const { code, desk, grader } = await run(['3'], failing)
  expect(code).toBe(1)
  expect(grader.graded).toHaveLength(1)
  expect(grader.closed).toBe(true)
  const text = desk.stdout.text()
  expect(text).toContain('Edit it.')
  expect(text).not.toContain('Why.')
  expect(text).toContain('✗ a WORKERS that makes no sense is refused')
  expect(text).toContain('npm run lesson 3 hint')
})

test("a pass tells the learner's number and what comes next", async () => {
  const { code, desk } = await run(['2'])
  expect(code).toBe(0)
  expect(desk.stdout.text().split('\n').slice(-10).join('\n')).toMatchInlineSnapshot(`
    "    95 % of the speed-up that a reference cluster gets here.
        2 workers served 1.9 × one process: 391 requests/s against 206; the
        reference got 402.
        Measured in CPU time it lies between 90 % and 104 %; the lesson asks for
        70 %.

    Lesson 2 is passed.
    Compare with the solution:  npm run lesson 2 solution
    Next, A basic cluster:  npm run lesson 3
    "
  `)
})

test('on a busy machine the share is the one without what others took', async () => {
  const { desk } = await run(['3'], { ...passing, throughput: { ...throughput, share: 0.5 } })
  expect(desk.stdout.text()).toContain(
    '96 % of the speed-up that a reference cluster gets here, after what other\n    programs took of the cores.',
  )
})

test('lesson 1 is shown the head-room of a cluster', async () => {
  const { desk } = await run(['1'], {
    ...passing,
    throughput: { ...throughput, yours: 204, share: 0, accounted: 0 },
  })
  expect(desk.stdout.text()).toContain('Your one process serves 204 requests/s')
  expect(desk.stdout.text()).toContain('2.0 × as many')
})

test('hints come one after another for the check that failed last, without checking again', async () => {
  await run(['3'], failing)
  const first = await run(['3', 'hint'])
  expect(first.desk.stdout.text()).toBe(
    "Hint 1 of 2 · a WORKERS that makes no sense is refused\n\nWhat is Number('abc')?\n",
  )
  expect(first.grader.graded).toEqual([])
  expect((await run(['hint', '3'])).desk.stdout.text()).toContain('Hint 2 of 2')
  const all = (await run(['3', 'hint'])).desk.stdout.text()
  expect(all).toContain('Number')
  expect(all).toContain('Look at the text first.')
})

test('after an edit a hint looks anew at what fails', async () => {
  await run(['3'], failing)
  await write(learners('03-basic-cluster'), 'const cores = 2\n')
  const { desk, grader } = await run(['3', 'hint'])
  expect(grader.graded).toHaveLength(1)
  expect(desk.stdout.text()).toBe('No check of lesson 3 fails: no hint is needed.\n')
})

test('the solution is shown as a diff from the learner to it', async () => {
  const { desk } = await run(['3', 'solution'])
  expect(desk.stdout.text()).toMatchInlineSnapshot(`
    "--- lessons/03-basic-cluster/server.ts
    +++ solutions/03-basic-cluster/server.ts
    @@ -1,2 +1,2 @@
    -const cores = 1
    +const cores = 4
     const name = 2
    "
  `)
  await write(learners('03-basic-cluster'), 'const cores = 4\nconst name = 2\n')
  expect((await run(['3', 'solution'])).desk.stdout.text()).toBe('Your files are the reference solution.\n')
})

test('a reset keeps the attempt and brings the starter back', async () => {
  await write(join(project.root, 'lessons/03-basic-cluster/own/part.ts'), 'mine\n')
  const { code, desk } = await run(['3', 'reset'])
  expect(code).toBe(0)
  expect(await readFile(learners('03-basic-cluster'), 'utf8')).toBe('const cores = 0 // TODO\n')
  const attempts = join(project.root, '.workshop/attempts/03-basic-cluster')
  const [time = ''] = await readdir(attempts)
  expect(await readFile(join(attempts, time, 'server.ts'), 'utf8')).toBe('const cores = 1\nconst name = 2\n')
  expect(await readFile(join(attempts, time, 'own/part.ts'), 'utf8')).toBe('mine\n')
  expect(await readdir(join(attempts, time))).toEqual(['own', 'server.ts'])
  expect(desk.stdout.text()).toContain(`.workshop/attempts/03-basic-cluster/${time}`)
})

test('a solution that is taken stands in place of the attempt, which is kept', async () => {
  const { code, desk } = await run(['3', 'solution', '--take'])
  expect(code).toBe(0)
  expect(await readFile(learners('03-basic-cluster'), 'utf8')).toBe(
    await readFile(join(project.root, 'solutions/03-basic-cluster/server.ts'), 'utf8'),
  )
  const attempts = join(project.root, '.workshop/attempts/03-basic-cluster')
  const [time = ''] = await readdir(attempts)
  expect(await readFile(join(attempts, time, 'server.ts'), 'utf8')).toBe('const cores = 1\nconst name = 2\n')
  expect(desk.stdout.text()).toContain(`.workshop/attempts/03-basic-cluster/${time}`)
})

test('a reset works when the file is gone', async () => {
  await rm(learners('03-basic-cluster'))
  expect((await run(['3', 'reset'])).code).toBe(0)
  expect(await readFile(learners('03-basic-cluster'), 'utf8')).toContain('TODO')
})

test('the whole text can be read', async () => {
  const { desk } = await run(['3', 'read'])
  expect(desk.stdout.text()).toContain('Why.')
})

test.each([
  [['12'], 'There is no lesson 12: choose 1 to 3.'],
  [['basc-cluster'], 'Did you mean 3 (basic-cluster)?'],
  [['two rolls'], 'Did you mean 2 (two-roles)?'],
  [['e'], 'may mean 1 (single-thread) or 2 (two-roles) or 3 (basic-cluster)'],
  [['3', 'hnt'], 'did you mean npm run lesson 3 hint?'],
  [['3', 'reset', '--take'], '--take is for solution: npm run lesson 3 solution -- --take'],
  [['3', 'hint', 'now'], 'That is too much: npm run lesson 3 hint'],
])('%j is refused with advice', async (args, advice) => {
  const { code, desk } = await run(args)
  expect([code, desk.stderr.text()]).toEqual([2, expect.stringContaining(advice)])
})

test.each(['3', '03', '03-basic-cluster', 'basic-cluster', 'basic', 'Basic Cluster'])(
  '%s means lesson 3',
  async (name) => {
    const { grader } = await run([name])
    expect(grader.graded.map((subject) => subject.number)).toEqual([3])
  },
)

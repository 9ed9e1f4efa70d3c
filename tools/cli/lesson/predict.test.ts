import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { exitCodeOfCommand } from '../endings.ts'
import { lesson } from '../lesson.ts'
import { type TestDesk, testDesk, testProject, until, write } from '../testing/desk.ts'
import { fakeGrader, type Story } from '../testing/grader.ts'
import { failing, passing } from '../testing/stories.ts'

let project: Awaited<ReturnType<typeof testProject>>
beforeEach(async () => {
  project = await testProject()
  await write(
    join(project.root, 'lessons/03-basic-cluster/predict.md'),
    `# Predict first

## How many times as fast?

- number: times
- measured: yours/one
- beside: ideal/one, the reference cluster
- why: of the cores.

## What comes first?

- a: \`online\`
- b: \`listening\`
- answer: a
- why: it has to run before it can listen.
`,
  )
})
afterEach(() => project[Symbol.asyncDispose]())

async function run(
  args: readonly string[],
  story: Story = passing,
): Promise<{ code: number; desk: TestDesk }> {
  const desk = testDesk({ root: project.root, grader: fakeGrader(() => story) })
  return { code: await exitCodeOfCommand(desk, () => lesson(args, desk)), desk }
}

test('without a terminal the questions are listed, without their answers', async () => {
  await run(['3', 'predict', '2', 'b'])
  const { code, desk } = await run(['3', 'predict'])
  expect(code).toBe(0)
  expect(desk.stdout.text()).toMatchInlineSnapshot(`
    "1.  How many times as fast?

    2.  What comes first?
        a   \`online\`
        b   \`listening\`
        your guess: \`listening\`

    To guess:  npm run lesson 3 predict 1 1.5
    "
  `)
})

test('guesses are kept, and told beside what came when the lesson passes', async () => {
  expect((await run(['3', 'predict', '1', '1,9'])).desk.stdout.text()).toContain('Kept: 1.9 times')
  expect((await run(['predict', '3', '2', 'B'])).desk.stdout.text()).toContain('Kept: `listening`')
  expect((await run(['3'], failing)).desk.stdout.text()).not.toContain('you guessed')
  const { desk } = await run(['3'])
  expect(desk.stdout.text().split('What you guessed')[1]).toMatchInlineSnapshot(`
    "
        ✓   How many times as fast?
            you guessed 1.9 times
            measured: 1.90 times; the reference cluster: 1.95
            of the cores.
        ≠   What comes first?
            you guessed \`listening\`
            it is: \`online\`
            it has to run before it can listen.

    Lesson 3 is passed.
    Compare with the solution:  npm run lesson 3 solution
    Next, The baseline:  npm run lesson 1
    "
  `)
})

test('the lesson invites to guess before its first check, once', async () => {
  expect((await run(['3'], failing)).desk.stdout.text()).toContain('npm run lesson 3 predict')
  expect((await run(['3'], failing)).desk.stdout.text()).not.toContain('npm run lesson 3 predict')
})

test('who has guessed is not invited, and one who has not is told nothing', async () => {
  expect((await run(['3'])).desk.stdout.text()).not.toContain('What you guessed')
  await run(['2', 'predict'])
  expect((await run(['2'], failing)).desk.stdout.text()).not.toContain('predict')
})

test.each([
  [['3', 'predict', '3', '1'], 'There is no question 3: npm run lesson 3 predict shows 1 to 2.'],
  [['3', 'predict', '1'], 'What is your guess? npm run lesson 3 predict 1 1.5'],
  [['3', 'predict', '1', 'twice'], 'A guess is a number: npm run lesson 3 predict 1 1.5'],
  [['3', 'predict', '2', 'c'], 'A guess is one of a, b: npm run lesson 3 predict 2 a'],
  [['2', 'predict'], 'Lesson 2 has no questions to guess at.'],
])('%j is refused with advice', async (args, advice) => {
  const { code, desk } = await run(args)
  expect([code, desk.stderr.text()]).toEqual([2, expect.stringContaining(advice)])
})

test('a file of guesses that cannot be read is set aside, and said to be', async () => {
  const folder = join(project.root, '.workshop/guesses')
  await write(join(folder, '03-basic-cluster.json'), 'no JSON')
  const { code, desk } = await run(['3', 'predict', '2', 'a'])
  expect(code).toBe(0)
  expect(desk.stderr.text()).toContain('could not be read; it is kept as')
  expect(await readdir(folder)).toHaveLength(2)
})

test('in a terminal the questions are asked one after the other', async () => {
  const desk = testDesk({
    root: project.root,
    grader: fakeGrader(() => passing),
    terminal: true,
    env: { NO_COLOR: '1' },
  })
  const ending = exitCodeOfCommand(desk, () => lesson(['3', 'predict'], desk))
  const asked = (count: number): Promise<void> =>
    until(() => desk.stdout.text().split('your guess').length > count, desk.stdout.text)
  await asked(1)
  desk.press('many\r')
  await asked(2)
  desk.press('2\r')
  await asked(3)
  desk.press('\r')
  expect(await ending).toBe(0)
  expect(desk.stdout.text()).toContain('A guess is a number, as 1.5')
  const listed = (await run(['3', 'predict'])).desk.stdout.text()
  expect(listed.match(/your guess: .*/g)).toEqual(['your guess: 2 times'])
})

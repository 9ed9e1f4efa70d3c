/** Three folders are a lesson: one is added to a copy of the project, looked at, graded, audited, and taken away. */

import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { lessons } from '../catalog.ts'
import { run, type Ran } from './commands.ts'
import { copyProject, inFolder } from './copies.ts'

const rooms = ['lessons', 'solutions', 'checks'] as const

export async function problemWithNewLesson(): Promise<string | undefined> {
  const number = Math.max(...lessons().map((lesson) => lesson.number)) + 1
  const slug = `${number}-greeting`
  return inFolder('new-lesson-', async (root) => {
    copyProject(root)
    for (const [path, text] of Object.entries(newLesson(number, slug))) write(join(root, path), text)
    const command = (...args: readonly string[]): Promise<Ran> =>
      run(process.execPath, [join(root, 'tools', 'start.mjs'), ...args])

    const steps: readonly (() => Promise<string | undefined>)[] = [
      async () => problemWith(await command('lesson'), 0, `${number} · Greeting`),
      async () => problemWith(await command('coverage'), 0, `[${number}]`),
      async () =>
        problemWith(await command('test', '--only', 'texts', '--lesson', `${number}`), 0, ' 0 failed'),
      async () =>
        problemWith(await command('test', '--lesson', `${number}`, '--update'), 0, '12 passed, 0 failed'),
      async () =>
        existsSync(join(root, 'checks', slug, 'transcripts', 'starter.txt'))
          ? undefined
          : 'its messages were not pinned',
      async () =>
        problemWith(await command('check', 'greeting', '--solutions'), 0, `Lesson ${number}: passed.`),
      async () => {
        for (const room of rooms) rmSync(join(root, room, slug), { recursive: true })
        return problemWith(await command('check', `${number}`), 2, `choose 1 to ${number - 1}`)
      },
    ]
    for (const step of steps) {
      const problem = await step()
      if (problem !== undefined) return problem
    }
    return undefined
  })
}

function problemWith({ code, output }: Ran, wanted: number, says: string): string | undefined {
  if (code === wanted && output.includes(says)) return undefined
  return `it ended with ${code}, not ${wanted}, or does not say “${says}”:\n${output.slice(-3_000)}`
}

/** What CONTRIBUTING.md, "I want to add a lesson", asks for, and nothing else: path to text. */
function newLesson(number: number, slug: string): Readonly<Record<string, string>> {
  const checks = `checks/${slug}`
  return {
    [`lessons/${slug}/README.md`]: readme(number),
    [`lessons/${slug}/hints.md`]: hints(number),
    [`lessons/${slug}/server.ts`]: starter,
    [`solutions/${slug}/server.ts`]: server(greeting),
    [`${checks}/check.ts`]: check,
    [`${checks}/answers.md`]: answers(number),
    [`${checks}/starter/server.ts`]: starter,
    ...programs(`${checks}/mistakes`, 'caught by: it greets who is named', [
      "'hello'",
      "'hello, ann'",
      '`hello, ${request.url}`',
      '`Hello, ${name}`',
      '`hello ${name}`',
      '`hello, ${name}!`',
      '`${name}, hello`',
    ]),
    ...programs(`${checks}/variants`, 'right: it puts the greeting together otherwise', [
      "'hello, ' + name",
      "['hello', name].join(', ')",
      "'hello, '.concat(String(name))",
    ]),
  }
}

function programs(
  folder: string,
  firstLine: string,
  greetings: readonly string[],
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    greetings.map((words, index) => [
      `${folder}/number-${index + 1}.ts`,
      `// ${firstLine}\n${server(words)}`,
    ]),
  )
}

const greeting = '`hello, ${name}`'

const server = (words: string): string => `import { createServer } from 'node:http'

createServer((request, response) => {
  const name = new URLSearchParams(request.url?.split('?')[1]).get('name')
  response.end(${words})
}).listen(Number(process.env.PORT || 8000))
`

const starter = server("'TODO: greet by name'")

const readme = (number: number): string => `# ${number} · Greeting

Whoever comes is greeted by name.

## The contract

\`GET /?name=ann\` answers \`hello, ann\`.

## Your task

Edit \`server.ts\`.

## How it is checked

- **it greets who is named**: it is asked for two names.
`

const hints = (number: number): string => `# Hints for lesson ${number}

## it greets who is named

1. Who comes?
2. The name is in the query.
3. \`URLSearchParams\` reads it.
`

const answers = (number: number): string => `# What the checks of lesson ${number} answer for

## it greets who is named

- answers \`hello, ann\`
`

const check = `import { check, holds, start } from '#harness'

check('it greets who is named', async () => {
  await using program = await start({ expect: 0 })
  for (const name of ['ann', 'bob']) {
    const { text } = await program.get(\`/?name=\${name}\`, { read: 'the-contract' })
    holds(text === \`hello, \${name}\`, {
      expected: \`/?name=\${name} answers “hello, \${name}”\`,
      got: \`“\${text}”\`,
      read: 'the-contract',
      repeat: program.commandWith(\`/?name=\${name}\`),
    })
  }
})
`

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}

import { expect, test } from 'vitest'
import { anchorsOf, sectionOf } from './anchors.ts'

const text = `# 3 · A basic cluster

Intro, see [Node][docs].

## Your task

Fork.

### Don't: \`cluster.fork()\` in a *loop* — ever

Deep.

\`\`\`sh
## not a heading
\`\`\`

## Your task

Again.

> ## Quoted

Still the second.

[docs]: https://nodejs.org/
`

test('anchors are those of GitHub', () => {
  expect(anchorsOf(text)).toEqual([
    '3--a-basic-cluster',
    'your-task',
    'dont-clusterfork-in-a-loop--ever',
    'your-task-1',
    'quoted',
  ])
})

test('a section reaches to the next heading of its level, and takes the addresses of its links along', () => {
  expect(sectionOf(text, 'your-task')).toBe(`## Your task

Fork.

### Don't: \`cluster.fork()\` in a *loop* — ever

Deep.

\`\`\`sh
## not a heading
\`\`\`

[DOCS]: <https://nodejs.org/>
`)
})

test('a heading in a quotation does not end a section', () => {
  expect(sectionOf(text, 'your-task-1')).toContain('Still the second.')
})

test('the last section reaches to the end', () => {
  expect(sectionOf('# A\n\n## B\n\nlast\n', 'b')).toBe('## B\n\nlast\n')
})

test('an anchor that is nowhere has no section', () => {
  expect(sectionOf(text, 'my-task')).toBeUndefined()
  expect(sectionOf('', 'my-task')).toBeUndefined()
})

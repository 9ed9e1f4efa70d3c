import { expect, test } from 'vitest'
import { hintsOf } from './hints.ts'

const text = `# Hints

A word before them.

## the primary never answers

1. Who calls \`listen\`?
2. Look at \`cluster.isPrimary\`:

   \`\`\`ts
   if (cluster.isPrimary) fork()
     else listen()
   \`\`\`

   - the primary forks
   - a worker listens
3. One
lazy line.

## \`hits\` run 1, 2, 3… on their own

1. Memory is not shared.

## nothing here yet
`

test('each check has its hints in their order, with the code that they hold', () => {
  expect([...hintsOf(text)]).toEqual([
    [
      'the primary never answers',
      [
        'Who calls `listen`?',
        'Look at `cluster.isPrimary`:\n\n```ts\nif (cluster.isPrimary) fork()\n  else listen()\n```\n\n- the primary forks\n- a worker listens',
        'One\nlazy line.',
      ],
    ],
    ['hits run 1, 2, 3… on their own', ['Memory is not shared.']],
    ['nothing here yet', []],
  ])
})

test('a hint numbered with two digits keeps its shape', () => {
  const list = Array.from({ length: 10 }, (_, index) => `${index + 1}. hint\n\n    more`).join('\n')
  expect(hintsOf(`## a check\n\n${list}\n`).get('a check')?.at(-1)).toBe('hint\n\nmore')
})

test('a bulleted list is no list of hints', () => {
  expect(hintsOf('## a check\n\n- one\n- two\n').get('a check')).toEqual([])
})

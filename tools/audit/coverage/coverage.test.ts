import { expect, test } from 'vitest'
import { answersOf, problemsWith } from './answers.ts'
import { contractOf, describedIn, descriptionsOf } from './sentences.ts'

const readme = `# 1 · Greeting

## The contract

Started as \`node server.ts\`, the program

- greets. Whoever
  comes (also \`..\`) is named;
- ends.

It answers

| request | answer |
| --- | --- |
| \`GET /\` | 200. Always a text |
| other | 404 |

**Words.** All are kind. (How kind: as you like.)

## How it is checked

It is asked.

- **it greets** and **it ends**: as one does.
- **it is kind**: at least 0.6 of the words.
`

test('a contract is taken apart into sentences: of items, of rows, of paragraphs, without what leads to them', () => {
  expect(contractOf(readme)).toEqual([
    'greets.',
    'Whoever comes (also `..`) is named;',
    'ends.',
    '`GET /`: 200.',
    'Always a text',
    'other: 404',
    'All are kind.',
    '(How kind: as you like.)',
  ])
})

test('a bullet of how it is checked describes one check or several', () => {
  expect(descriptionsOf(readme).map(describedIn)).toEqual([['it greets', 'it ends'], ['it is kind']])
})

const names = ['it greets', 'it ends', 'it is kind']
const whole = `# Answers

## it greets

- greets
- Whoever comes (also \`..\`) is
  named
- \`GET /\`: 200
- Always a text
- 404

## it ends

- ends

## it is kind

- All are kind
- at least 0.6

## Left to the program

- as you like
`

test('answers that name every sentence and every check are whole', () => {
  expect(problemsWith(names, readme, answersOf(whole))).toEqual([])
})

test.each([
  [whole.replace('- ends\n', ''), '“it ends” has no words in answers.md'],
  [whole.replace('- ends\n', ''), 'no check answers for “ends.”, and answers.md does not say why'],
  [
    whole.replace('- ends', '- finishes'),
    '“finishes” (it ends) stands neither in the contract nor in how it is checked',
  ],
  [whole.replace('## it ends', '## it stops'), '“it stops” in answers.md is no check of this lesson'],
  [whole.replace('- Always a text', '- a'), '“a” (it greets) stands in 4 sentences: take more words'],
])('what is wrong with answers is told, a line each (%#)', (answers, problem) => {
  expect(problemsWith(names, readme, answersOf(answers))).toContain(problem)
})

test('a check that the README does not describe is told, and so is one that is not there', () => {
  expect(problemsWith(['it greets', 'it ends', 'it is polite'], readme, answersOf(whole))).toEqual(
    expect.arrayContaining([
      "“it is polite” has no bullet in the README's “How it is checked”",
      'the README describes “it is kind”, and there is no such check',
    ]),
  )
})

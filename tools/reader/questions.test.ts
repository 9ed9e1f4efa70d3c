import { expect, test } from 'vitest'
import { questionsOf } from './questions.ts'

test('a question asks for a number or offers choices, and knows its answer', () => {
  const questions = questionsOf(
    `# Predict first

Words.

## How many times?

- number: times
- measured: yours/one
- beside: ideal/one, the reference
- why: cores.

## How many users?

- number: users
- answer: 600
- about: 10
- why: two of three.

## Which?

- a: this
- b: that
- answer: b
- why: because.
`,
  )
  expect(questions.map(({ text, unit, choices, answer }) => ({ text, unit, choices, answer }))).toEqual([
    {
      text: 'How many times?',
      unit: 'times',
      choices: [],
      answer: {
        kind: 'measured',
        ratio: { of: 'yours', to: 'one' },
        tolerance: 0.2,
        beside: { ratio: { of: 'ideal', to: 'one' }, what: 'the reference' },
      },
    },
    {
      text: 'How many users?',
      unit: 'users',
      choices: [],
      answer: { kind: 'number', value: 600, tolerance: 0.1 },
    },
    {
      text: 'Which?',
      unit: undefined,
      choices: [
        ['a', 'this'],
        ['b', 'that'],
      ],
      answer: { kind: 'choice', letter: 'b' },
    },
  ])
})

test.each([
  ['- number: times\n- why: so', 'has neither an answer nor something measured'],
  ['- number: times\n- answer: many\n- why: so', 'many is no number'],
  ['- a: this\n- answer: b\n- why: so', 'has no choice b'],
  ['- number: times\n- a: this\n- answer: a\n- why: so', 'has either a number or choices'],
  ['- number: times\n- measured: mine/one\n- why: so', 'is not two of one, ideal, yours'],
  ['- number: times\n- answer: 1', 'does not say why'],
  ['- number: times\n- anser: 1\n- why: so', 'nobody reads “anser”'],
  ['Some text', 'is no “- name: value”'],
])('%j is refused', (body, problem) => {
  expect(() => questionsOf(`## What?\n\n${body}\n`)).toThrow(problem)
})

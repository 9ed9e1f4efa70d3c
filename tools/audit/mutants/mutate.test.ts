import { expect, test } from 'vitest'
import { apply, mutationsOf } from './mutate.ts'

/** What becomes of the text, by what was done. */
function mutantsOf(text: string): readonly (readonly [what: string, after: string])[] {
  return mutationsOf(text).map((mutation) => [mutation.what, apply(text, mutation)])
}

test.each([
  ["cluster.on('exit', fork)", 'drops a listener', ';'],
  ['clearTimeout(timer)', 'leaves out a clean-up', ';'],
  ['later(() => clearTimeout(timer))', 'leaves out a clean-up', 'later(() => undefined)'],
  ['worker?.send(message)', 'drops a call', ';'],
  ['announced = text', 'drops an assignment', ';'],
  ['hits += one', 'drops an assignment', ';'],
  ['if (!route) throw lost', 'drops a guard', ';'],
  ['if (ready) serve()', 'turns a condition round', 'if (!(ready)) serve()'],
  ['x = a && b', 'turns and into or', 'x = (a || b)'],
  ['x = a < b', 'changes a comparison', 'x = a <= b'],
  ['x = 64', 'changes a number', 'x = 65'],
  ['x = 2_000', 'changes a number', 'x = 20000'],
  ['x = true', 'turns true into false', 'x = false'],
  ['await settled', 'removes an await', 'settled'],
  ['try { act() } finally { close() }', 'leaves out a clean-up', 'try { act() } finally {}'],
])('%s: %s', (text, what, after) => {
  expect(mutantsOf(text)).toContainEqual([what, after])
})

test('an equality that is a whole condition is turned round once', () => {
  expect(mutantsOf('while (a === b);')).toEqual([['turns a condition round', 'while (!(a === b));']])
})

test('types and imports are left alone', () => {
  expect(
    mutantsOf("import { a } from 'b'\ninterface C { readonly d: 1 | true }\nlet e: 2 | undefined"),
  ).toEqual([])
})

test('places are told, and come in their order', () => {
  expect(mutationsOf('a()\n\nb()\n').map(({ line }) => line)).toEqual([1, 3])
})

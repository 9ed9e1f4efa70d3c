import { expect, test } from 'vitest'
import { sideBySide } from './side-by-side.ts'

test('all stories begin with the first that is asked for, once', async () => {
  const begun: string[] = []
  const stories = sideBySide({
    one: async () => void begun.push('one'),
    other: async () => void begun.push('other'),
  })
  expect(begun).toEqual([])
  await stories.other()
  await stories.one()
  await stories.one()
  expect(begun).toEqual(['one', 'other'])
})

test('a story that fails is told by its own name, and is no unhandled rejection before', async () => {
  const stories = sideBySide({
    right: async () => {},
    wrong: async () => {
      throw new Error('it does not hold')
    },
  })
  await stories.right()
  await new Promise((resolve) => setImmediate(resolve))
  await expect(stories.wrong()).rejects.toThrow('it does not hold')
})

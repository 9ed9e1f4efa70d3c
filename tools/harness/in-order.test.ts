import { expect, test } from 'vitest'
import { inOrder } from './in-order.ts'

test('of claims that fail the first is told, whichever came first', async () => {
  const late = new Promise((_, reject) => setTimeout(reject, 20, new Error('the first')))
  await expect(inOrder([Promise.resolve(), late, Promise.reject(new Error('the second'))])).rejects.toThrow(
    'the first',
  )
  await expect(inOrder([Promise.resolve(1)])).resolves.toBeUndefined()
})

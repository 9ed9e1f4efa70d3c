import { expect, test } from 'vitest'
import { heapGrowth } from './growth.ts'
import type { Program } from './program.ts'

/** Two workers that keep so many bytes for each request; `pidsAfter` replace them once `requests` were answered. */
function workersThatKeep(bytes: number, pidsAfter?: { readonly requests: number }) {
  const asked: string[] = []
  const program = {
    get listening() {
      const other = pidsAfter !== undefined && asked.length > pidsAfter.requests
      return [{ pid: other ? 13 : 11 }, { pid: 12 }]
    },
    fetch: async (path: string) => {
      asked.push(path)
      return { ok: true }
    },
    quiet: async () => {},
    ask: async () => ({ heapUsed: 1_000 + (asked.length * bytes) / 2, external: 0 }),
  } as unknown as Program
  return { program, asked }
}

test('growth is what the measured requests have added, without those of the warm-up', async () => {
  const { program, asked } = workersThatKeep(10)
  expect(await heapGrowth(program, { requests: 400, paths: ['/', '/a?n='], read: 'memory' })).toBe(4_000)
  expect(asked).toHaveLength(500)
})

test('paths are asked in turns, and each but the plain one is its own', async () => {
  const { program, asked } = workersThatKeep(0)
  await heapGrowth(program, { requests: 40, paths: ['/', '/a?n='], read: 'memory' })
  expect(asked.filter((path) => path === '/')).toHaveLength(25)
  expect(new Set(asked.filter((path) => path !== '/'))).toHaveProperty('size', 25)
})

test('workers that were replaced meanwhile have no growth to tell', async () => {
  const { program } = workersThatKeep(10, { requests: 300 })
  await expect(heapGrowth(program, { requests: 400, paths: ['/'], read: 'memory' })).rejects.toMatchObject({
    finding: { got: 'some were replaced meanwhile' },
  })
})

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { seconds } from './patience.ts'
import type { Program } from './program.ts'
import { reloadUnderLoad } from './reload.ts'
import { openKept, type Kept } from './testing/kept.ts'

let kept: Kept
beforeAll(async () => {
  kept = await openKept()
})
afterAll(() => kept[Symbol.asyncDispose]())

/** Two workers, and at SIGHUP this for `old`, all of them. */
async function clusterOf(atHangUp: string): Promise<Program> {
  const program = await kept.start(`
    import cluster from 'node:cluster'
    import { createServer } from 'node:http'
    if (cluster.isPrimary) {
      cluster.fork(); cluster.fork()
      process.on('SIGHUP', () => { const old = Object.values(cluster.workers); ${atHangUp} })
    } else createServer((request, response) => response.end('here')).listen(Number(process.env.PORT))`)
  await program.until(() => program.listening.length === 2 || undefined, { within: seconds(10) })
  return program
}

describe('a reload under load', () => {
  test('that replaces first is complete, fails nothing, and always has its workers', async () => {
    await using program = await clusterOf(
      `for (const one of old) cluster.fork().once('listening', () => one.disconnect())`,
    )
    const { complete, results, rate, fewest } = await reloadUnderLoad(program, () => program.signal('SIGHUP'))
    expect(results.filter(({ ok }) => !ok)).toEqual([])
    expect({ complete, fewest }).toEqual({ complete: true, fewest: 2 })
    expect(rate).toBeGreaterThan(0)
  })

  test('that disconnects first is seen without workers', async () => {
    await using program = await clusterOf(`for (const one of old) { one.disconnect(); cluster.fork() }`)
    const { fewest } = await reloadUnderLoad(program, () => program.signal('SIGHUP'))
    expect(fewest).toBe(0)
  })
})

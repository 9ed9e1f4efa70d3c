import { afterAll, beforeAll, expect, test } from 'vitest'
import { seconds } from './patience.ts'
import { cpuOf, workLeft } from './leftover.ts'
import { mentions } from './source.ts'
import { openKept, type Kept } from './testing/kept.ts'

let kept: Kept
beforeAll(async () => {
  kept = await openKept()
})
afterAll(() => kept[Symbol.asyncDispose]())

test('what a program still does is told, and that it does no more', async () => {
  await using program = await kept.start(`
    import { createServer } from 'node:http'
    const work = (ms) => { const end = performance.now() + ms; while (performance.now() < end); }
    createServer((request, response) => {
      response.end()
      if (request.url === '/on') for (let turn = 0; turn < 40; turn += 1) setTimeout(work, 0, 25)
    }).listen(Number(process.env.PORT), () => console.log('ready'))`)
  await program.until(() => program.lines('stdout')[0], { within: seconds(10) })
  expect(await workLeft(program, 5_000)).toBeLessThan(600)
  await program.fetch('/on')
  expect(await workLeft(program, 5_000)).toBeGreaterThan(250)
  await program.fetch('/on')
  expect(await cpuOf(program, () => workLeft(program, 5_000))).toBeGreaterThan(250)
  expect(mentions(program, 'createServer')).toBe(true)
  expect(mentions(program, 'nobody-says-this')).toBe(false)
})

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { giveNextForks, sendMessage } from './faults.ts'
import {
  countSent,
  hasHeldMessages,
  holdMessages,
  recordedMessages,
  releaseMessages,
  sendToWorker,
  spoilt,
} from './messages.ts'
import { seconds } from './patience.ts'
import type { Program } from './program.ts'
import { openKept, type Kept } from './testing/kept.ts'

let kept: Kept
beforeAll(async () => {
  kept = await openKept()
})
afterAll(() => kept[Symbol.asyncDispose]())

/** A cluster of one worker; whoever gets a message says so, and a worker is replaced. */
const TALKERS = `
  import cluster from 'node:cluster'
  import { createServer } from 'node:http'
  const say = (...all) => console.log(JSON.stringify(all))
  if (cluster.isPrimary) {
    cluster.on('message', (worker, message) => say('primary', message))
    cluster.on('exit', () => cluster.fork())
    cluster.on('listening', (worker) => worker.send({ welcome: worker.id }))
    cluster.fork()
  } else {
    process.on('message', (message) => say('worker', message))
    process.send({ hello: cluster.worker.id }, () => createServer().listen(Number(process.env.PORT)))
  }\n`

async function says(program: Program, ...all: readonly unknown[]): Promise<void> {
  const line = JSON.stringify(all)
  const found = await program.until(() => program.lines('stdout').includes(line) || undefined, {
    within: seconds(10),
  })
  if (found === undefined) throw new Error(`no ${line} among ${program.lines('stdout').join(' ')}`)
}

async function listeningWorker(program: Program) {
  const worker = await program.until(() => program.listening[0], { within: seconds(10) })
  if (worker === undefined) throw new Error('no worker listens')
  return worker
}

describe('the messages of a program', () => {
  test('come from the checker, in both directions', async () => {
    await using program = await kept.start(TALKERS)
    const worker = await listeningWorker(program)
    await sendMessage(program, worker, null)
    await says(program, 'primary', null)
    await sendToWorker(program, worker, ['junk'])
    await says(program, 'worker', ['junk'])
  })

  test('are recorded, with whether they are for the primary or for a worker', async () => {
    await using program = await kept.start(TALKERS, { recordMessages: true })
    await says(program, 'worker', { welcome: 1 })
    const both = (): true | undefined => recordedMessages(program).length === 2 || undefined
    await program.until(both, { within: seconds(10) })
    expect(recordedMessages(program)).toEqual([
      { to: 'primary', message: { hello: 1 } },
      { to: 'worker', message: { welcome: 1 } },
    ])
  })

  test('are counted in all processes, Node’s own apart', async () => {
    await using program = await kept.start(TALKERS, { countMessages: true })
    await says(program, 'worker', { welcome: 1 })
    const before = await countSent(program)
    expect(before.sent).toBe(2)
    await sendMessage(program, await listeningWorker(program), 'one more')
    await says(program, 'primary', 'one more')
    const after = await countSent(program)
    expect(after.sent).toBe(3)
    expect(after.at).toBeGreaterThan(before.at)
  })

  test('are held, and handed over in order', async () => {
    await using program = await kept.start(TALKERS)
    const worker = await listeningWorker(program)
    await says(program, 'worker', { welcome: 1 })
    const held = await holdMessages(program, worker)
    await sendToWorker(program, worker, 'first')
    await sendToWorker(program, worker, 'second')
    const arrived = (): true | undefined => program.eventsOf('message-held').length === 2 || undefined
    expect(await program.until(arrived, { within: seconds(10) })).toBe(true)
    expect(program.lines('stdout')).not.toContain('["worker","first"]')
    await held[Symbol.asyncDispose]()
    await says(program, 'worker', 'second')
    expect(program.lines('stdout').slice(-2)).toEqual(['["worker","first"]', '["worker","second"]'])
  })

  test('are held in a worker that is forked later, until it is released', async () => {
    await using program = await kept.start(TALKERS)
    await listeningWorker(program)
    await giveNextForks(program, { holdMessages: true })
    await program.killOneWorker()
    const second = await program.until(() => program.listening.find(({ id }) => id === 2), {
      within: seconds(10),
    })
    if (second === undefined) throw new Error('no second worker listens')
    await program.until(() => hasHeldMessages(program, second) || undefined, { within: seconds(10) })
    expect(program.lines('stdout')).not.toContain('["worker",{"welcome":2}]')
    await releaseMessages(program, second)
    await says(program, 'worker', { welcome: 2 })
  })
})

describe('a spoilt message', () => {
  const message = { type: 'hits', list: [1, { deep: 2 }], text: 'two' }
  const isNumber = (leaf: unknown): boolean => typeof leaf === 'number'

  test('has other leaves and the same shape, or has fields less', () => {
    expect(spoilt(message, isNumber, ['many', null])).toEqual([
      { type: 'hits', list: ['many', { deep: 'many' }], text: 'two' },
      { type: 'hits', list: [null, { deep: null }], text: 'two' },
      { type: 'hits', list: [{}], text: 'two' },
    ])
  })

  test('is none where there is nothing to spoil', () => {
    expect(spoilt({ type: 'hello' }, isNumber, ['many'])).toEqual([])
    expect(spoilt('hello', isNumber, ['many'])).toEqual([])
  })

  test('leaves the one that it was made of alone', () => {
    spoilt(message, () => true, ['gone'])
    expect(message.list[0]).toBe(1)
  })
})

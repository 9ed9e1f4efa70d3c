/** One text that all workers of a program answer `GET /banner` with, and that a `PUT /banner` changes. */

import { openRequest } from './clients.ts'
import { describeAnswer, type Answer, type NoAnswer } from './http.ts'
import { pause, seconds } from './patience.ts'
import { Inconclusive, Mismatch } from './problems.ts'
import { expectPrimaryAlive, type Advice, type Scene } from './scene.ts'
import { takenBetween } from './usage.ts'
import type { Worker } from './workers.ts'

/** A PUT under way. */
export interface BannerPut {
  readonly text: string
  readonly answer: Answer | NoAnswer | undefined
  readonly status: number | undefined
  /** By the clock on the wall. */
  readonly ms: number
}

/** A 503 may not come earlier, by the clock on the wall: the contract's 2 s, less what clocks may differ by. */
const EARLIEST_503_MS = 1_800
/** Where this machine took more from a program, it cannot be blamed for a PUT that came to nothing. */
const TOO_MUCH_TAKEN_MS = 500

/** Sends a PUT over the connection to this worker, once, and waits for nothing. */
export function sendBanner(
  { program, to }: Pick<Scene, 'program' | 'to'>,
  worker: Worker,
  text: string,
): BannerPut {
  const sentAt = performance.now()
  let answer: Answer | NoAnswer | undefined
  let ms = 0
  const options = { method: 'PUT', body: text, agent: to.agentOf(worker), within: seconds(20) }
  void program.fetch('/banner', options).then((it) => {
    ms = performance.now() - sentAt
    answer = it
  })
  return {
    text,
    get answer() {
      return answer
    },
    get status() {
      return answer?.ok === true ? answer.status : undefined
    },
    get ms() {
      return ms
    },
  }
}

/** A PUT with nothing in its way: 204. */
export async function putBanner(scene: Scene, worker: Worker, text: string, advice: Advice): Promise<void> {
  const { program } = scene
  await scene.ask(worker, '/banner') // an idle connection may be about to close
  const before = await program.usage()
  const put = sendBanner(scene, worker, text)
  await expectAnswerInTime(scene, put, advice)
  if (put.status === 204) return
  if (takenBetween(before, await program.usage()) > TOO_MUCH_TAKEN_MS) {
    throw new Inconclusive('This machine was too busy for the program to change its banner in 2 s.')
  }
  throw new Mismatch({
    likely: 'a worker does not say that it uses the banner, or workers are waited for that cannot say so',
    ...advice,
    expected: 'PUT /banner answers 204 where all workers are well',
    got: `503 after ${(put.ms / 1000).toFixed(1)} s`,
    repeat: program.command,
  })
}

/** The status of a PUT whose body is sent in these chunks, without a content-length; or what went wrong. */
export async function putInPieces(scene: Scene, worker: Worker, pieces: readonly Buffer[]): Promise<string> {
  using request = openRequest(scene.program.port, '/banner', {
    method: 'PUT',
    agent: scene.to.agentOf(worker),
  })
  for (const piece of pieces) request.write(piece)
  const head = await request.end().untilHead()
  await request.untilOver(seconds(1))
  return head === undefined ? (request.failure ?? 'no answer') : String(head.status)
}

/** 204, or 503 after 2 s, and within 3 s. `early`: a 503 may come at once, as somebody has died. */
export async function expectAnswerInTime(
  { program }: Scene,
  put: BannerPut,
  { early = false, ...advice }: Advice & { readonly early?: boolean },
): Promise<void> {
  // One that has ended will not answer, and what it said tells more than a missing answer.
  await program.until(() => put.answer ?? program.ended, { within: seconds(3), alive: false })
  const { answer } = put
  if (answer?.ok !== true) await expectPrimaryAlive(program, advice)
  const expected = 'PUT /banner answers within 3 s: 204, or 503 if some live worker does not use it after 2 s'
  const repeat = program.command
  if (answer === undefined) {
    const likely = 'somebody is waited for who cannot answer, and no deadline ends the wait'
    throw new Mismatch({ likely, ...advice, expected, got: 'no answer', repeat })
  }
  if (!answer.ok || (answer.status !== 204 && answer.status !== 503)) {
    throw new Mismatch({ ...advice, expected, got: describeAnswer(answer), repeat })
  }
  if (early || answer.status === 204 || put.ms > EARLIEST_503_MS) return
  throw new Mismatch({
    ...advice,
    expected,
    got: `503 after ${(put.ms / 1000).toFixed(1)} s`,
    likely: 'the deadline is too short, or it counts from somewhere else',
    repeat,
  })
}

/** Every worker, and whoever takes a fresh connection, answers with this banner at once. */
export async function expectBannerEverywhere(scene: Scene, text: string, advice: Advice): Promise<void> {
  await expectAgreement(scene, [text], { ...advice, within: 0 })
  for (let asked = 0; asked < 2; asked += 1) {
    const answer = await scene.program.get('/banner', { read: advice.read })
    if (answer.text === text) continue
    throw new Mismatch({
      ...advice,
      expected: `a fresh request for /banner is answered with ${quoted(text)}`,
      got: quoted(answer.text),
      repeat: scene.program.command,
    })
  }
}

/**
 * After a 204 the new banner is everywhere at once; after a 503 all agree on one of both within 1 s. Resolves to the
 * one on which they agree.
 */
export async function expectOutcome(
  scene: Scene,
  put: BannerPut,
  old: string,
  advice: Advice,
): Promise<string> {
  if (put.status !== 204) return expectAgreement(scene, [old, put.text], { ...advice, within: seconds(1) })
  await expectBannerEverywhere(scene, put.text, advice)
  return put.text
}

/** All live workers answer with the same one of these texts, in time, and go on so. Resolves to it. */
export async function expectAgreement(
  scene: Scene,
  texts: readonly string[],
  { within, ...advice }: Advice & { readonly within: number },
): Promise<string> {
  const { program } = scene
  let last: Banners = new Map()
  const look = async (): Promise<string | undefined> => {
    last = await bannersOf(scene)
    return agreedOn(last, texts)
  }
  let found = within === 0 ? await look() : await program.eventually(look, { within })
  if (found !== undefined && within > 0) {
    await pause(200) // what is on its way may still change a worker
    found = await look()
  }
  await expectPrimaryAlive(program, advice)
  if (found !== undefined) return found
  const wanted = [...new Set(texts)].map(quoted).join(' or ')
  const got = [...last].map(
    ([id, text]) => `worker ${id}: ${text === undefined ? 'no answer' : quoted(text)}`,
  )
  throw new Mismatch({
    ...advice,
    expected: `all live workers agree on ${wanted}${within === 0 ? '' : ', within 1 s'}`,
    got: got.join(', '),
    repeat: program.command,
  })
}

/** By worker id; undefined where no banner came. */
export type Banners = ReadonlyMap<number, string | undefined>

/** The one of these texts that all workers have. */
export function agreedOn(banners: Banners, texts: readonly string[]): string | undefined {
  return texts.find((text) => banners.size > 0 && [...banners.values()].every((banner) => banner === text))
}

/** What each live worker answers with. */
async function bannersOf(scene: Scene): Promise<Banners> {
  const { program } = scene
  const live = program.listening
  await scene.to.meet(live)
  const bannerOf = async (worker: Worker): Promise<readonly [number, string | undefined]> => {
    const answer = await scene.ask(worker, '/banner', { within: seconds(5) })
    return [worker.id, answer.ok && answer.status === 200 ? answer.text : undefined]
  }
  const all = await Promise.all(live.map(bannerOf))
  return new Map(all.filter(([id]) => program.listening.some((worker) => worker.id === id)))
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text)
}

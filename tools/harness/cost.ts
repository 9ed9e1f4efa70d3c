/** What a request costs in CPU time, against the reference. */

import { keptConnection, type RequestOptions } from './http.ts'
import { measureFor, spentWhile, type Spent } from './gauge.ts'
import { pause } from './patience.ts'
import { Inconclusive, Mismatch } from './problems.ts'
import type { Program } from './program.ts'
import { startReference } from './reference.ts'
import { decide, estimateRatio, LAST_LOOK, type Round } from './share.ts'

const PAGES_A_ROUND = 10
/** Until the hot code is compiled. */
const WARM_UP_PAGES = 40

/** One GET of `path` is worth so many renders, each of them with its words counted where it says so. */
interface Priced {
  readonly path: (visitor: string) => string
  readonly renders: number
  readonly counted?: boolean
  /** A light request that is made now and then while a long one is worked on, so that the core's speed is known all along. */
  readonly beside?: string
}

/**
 * One GET costs between `atLeast` and `atMost` times what as many renders cost the reference: CPU time of all
 * processes, which other programs hardly touch, measured in turns and decided by the test of share.ts.
 */
export async function expectCost(
  program: Program,
  request: Priced,
  bounds: { readonly atLeast: number; readonly atMost: number },
  advice: { readonly tooLittle: string; readonly tooMuch: string; readonly read: string },
): Promise<void> {
  await using reference = await startReference(0)
  // A page may not be kept for its connection, either.
  using kept = keptConnection()
  using keptByReference = keptConnection()
  const requests = Math.ceil(PAGES_A_ROUND / request.renders)
  const ones: Spent[] = []
  const all: Spent[] = []
  const due: Asked = { path: request.counted === true ? wordsPath : renderPath }
  await Promise.all([
    costOf(reference, keptByReference, due, WARM_UP_PAGES),
    costOf(program, kept, { path: renderPath }, WARM_UP_PAGES),
  ])
  for (;;) {
    ones.push(await costOf(reference, keptByReference, due, PAGES_A_ROUND))
    all.push(await costOf(program, kept, request, requests))
    const rounds = roundsOf(ones, all, requests * request.renders)
    const ratio = estimateRatio(rounds)
    const low = decide(ratio, bounds.atLeast, rounds.length)
    const high = decide(ratio, bounds.atMost, rounds.length)
    if (low === 'above' && high === 'below') return
    if (low === 'below' || high === 'above')
      throw new Mismatch(finding(program, request, ratio.share, advice, low === 'below'))
    if (rounds.length === LAST_LOOK) {
      throw new Inconclusive(
        `After ${LAST_LOOK} rounds the cost lies between ${ratio.low.toFixed(2)} and ${ratio.high.toFixed(2)} of the due: this machine is too busy to tell.`,
      )
    }
  }
}

let asked = 0

/** Five visitors, each twice in a row: neither the last page nor a page for each visitor may be kept. */
function nextVisitor(): string {
  asked += 1
  return `cost-${Math.floor(asked / 2) % 5}`
}

function renderPath(visitor: string): string {
  return `/render?visitor=${visitor}`
}

function wordsPath(visitor: string): string {
  return `/words?visitor=${visitor}`
}

type Asked = Pick<Priced, 'path' | 'beside'>

/** Of so many requests, one after another. */
function costOf(
  program: Program,
  kept: RequestOptions,
  { path, beside }: Asked,
  requests: number,
): Promise<Spent> {
  return spentWhile(program, async () => {
    for (let sent = 0; sent < requests; sent += 1) {
      const long = askKept(program, path(nextVisitor()), kept)
      if (beside !== undefined) await askBeside(program, beside, long)
      await long
    }
  })
}

/** Nobody has to keep a connection: where one is closed the same is asked on a fresh one. */
async function askKept(program: Program, path: string, kept: RequestOptions): Promise<void> {
  const answer = await program.fetch(path, kept)
  if (!answer.ok || answer.status !== 200) await program.get(path)
}

/** A light request costs a hundredth of a render's time and less between two of these. */
const BESIDE_EVERY_MS = 40

async function askBeside(program: Program, path: string, long: Promise<unknown>): Promise<void> {
  let over = false
  const end = (): void => void (over = true)
  // Whether it fails is for the one who waits for it to say.
  void long.then(end, end)
  while (!over) {
    await pause(BESIDE_EVERY_MS)
    await program.get(path)
  }
}

/** What a page has cost in each round. */
function roundsOf(ones: readonly Spent[], all: readonly Spent[], renders: number): readonly Round[] {
  const of = measureFor([...ones, ...all])
  return all.map((cost, round) => {
    const one = of(ones[round] ?? cost) / PAGES_A_ROUND
    return { one, ideal: one, yours: of(cost) / renders }
  })
}

function finding(
  program: Program,
  { path, renders }: Priced,
  ratio: number,
  advice: { readonly tooLittle: string; readonly tooMuch: string; readonly read: string },
  tooLittle: boolean,
) {
  return {
    expected: `${path('NAME').split('?')[0]} costs the CPU time of ${renders === 1 ? 'one render' : `${renders} renders`}`,
    got: `${ratio.toFixed(2)} times that`,
    likely: tooLittle ? advice.tooLittle : advice.tooMuch,
    read: advice.read,
    repeat: program.commandWith(path('you')),
  }
}

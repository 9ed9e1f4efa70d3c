/** Load on a program that somebody watches, for some seconds: in short slices, so that what comes of it shows at once. */

import { fileURLToPath } from 'node:url'
import type { ProgramEvent } from './events.ts'
import type { Keeper } from './keeper.ts'
import { cores, inheritedEnvironment } from './plans.ts'

export interface BurstTotal {
  /** Answers that came whole, with status 200 and the page of who asked. */
  readonly answered: number
  /** Another status, or the page of somebody else. */
  readonly wrong: number
  /** Connections that were refused or cut, and requests without an answer within 10 s. */
  readonly failed: number
  /** In which it sent, ms. */
  readonly durationMs: number
}

export interface Burst {
  /** One at a time. @param onSlice told after each slice */
  fire(port: number, ms: number, onSlice: (total: BurstTotal) => void): Promise<BurstTotal>
}

/** A slice's report is one line with a time for each answer, and a line has its limit. */
const SLICE_MS = 500
const CONNECTIONS_PER_CORE = 4

interface Report {
  readonly type: string
  readonly id: number
  readonly start: number
  readonly end: number
  readonly times: readonly number[]
  readonly status: number
  readonly wrongPage: number
  readonly failed: number
}

export async function openBurst(keeper: Keeper): Promise<Burst> {
  const script = fileURLToPath(new URL('./processes/load.mjs', import.meta.url))
  const plan = {
    argv: [process.execPath, script],
    cwd: process.cwd(),
    env: inheritedEnvironment(),
    observed: false,
    input: true,
    byHand: true,
  }
  const { key } = await keeper.request<{ key: string }>({ do: 'start', plan })
  const waiting = new Map<number, (report: Report | undefined) => void>()
  let nextId = 0
  keeper.listen(key, (event: ProgramEvent) => {
    if (event.type === 'closed') for (const tell of waiting.values()) tell(undefined)
    if (event.type !== 'line' || event.stream !== 'stdout') return
    const report = reportIn(event.text)
    if (report?.type === 'slice') waiting.get(report.id)?.(report)
  })

  const slice = async (port: number): Promise<Report> => {
    nextId += 1
    const id = nextId
    const order = { id, port, connections: CONNECTIONS_PER_CORE * cores(), ms: SLICE_MS, path: PATH }
    const report = new Promise<Report | undefined>((resolve) => waiting.set(id, resolve))
    await keeper.request({ do: 'write', key, text: `${JSON.stringify(order)}\n` })
    const told = await report
    waiting.delete(id)
    if (told === undefined) throw new Error('the load generator has gone')
    return told
  }

  return {
    async fire(port, ms, onSlice) {
      let total: BurstTotal = { answered: 0, wrong: 0, failed: 0, durationMs: 0 }
      while (total.durationMs < ms) {
        total = plus(total, await slice(port))
        onSlice(total)
      }
      return total
    },
  }
}

const PATH = '/render?visitor='

function plus(total: BurstTotal, { start, end, times, status, wrongPage, failed }: Report): BurstTotal {
  // A refusal has no page: it counts once.
  const wrong = Math.max(status, wrongPage)
  return {
    answered: total.answered + Math.max(0, times.length - wrong),
    wrong: total.wrong + wrong,
    failed: total.failed + failed,
    durationMs: total.durationMs + (end - start),
  }
}

function reportIn(line: string): Report | undefined {
  try {
    return JSON.parse(line) as Report
  } catch {
    return undefined
  }
}

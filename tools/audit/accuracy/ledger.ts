/** The record of repeated verdicts: a line of JSON for each program and state of the machine, added to and never lost. */

import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { projectRoot } from '../../catalog.ts'

export type Outcome = 'right' | 'wrong' | 'inconclusive' | 'broken'

export type Counts = Readonly<Record<Outcome, number>>

export interface Entry {
  /** When it ended, ISO. */
  readonly at: string
  /** The commit, with `+` after it where files had changed. */
  readonly commit: string
  readonly node: string
  /** Cores of the machine. */
  readonly cores: number
  /** Load average over a minute before it began: what else was at work. */
  readonly load: number
  /** What went on beside, in words. */
  readonly beside: string
  /** The folder name of the lesson. */
  readonly lesson: string
  /** Path in the project. */
  readonly program: string
  readonly isRight: boolean
  /** Each check by itself; with `throughput`, gradings of the throughput claim alone. */
  readonly what: 'checks' | 'throughput'
  readonly checks: Readonly<Record<string, Counts>>
  /** Of one grading. */
  readonly medianMs: number
  readonly worstMs: number
}

/** Path in the project. */
export const inLedger = 'tools/audit/accuracy/ledger.jsonl'

const ledgerFile = join(projectRoot, inLedger)

export function record(entry: Entry): void {
  appendFileSync(ledgerFile, `${JSON.stringify(entry)}\n`)
}

export function entries(): readonly Entry[] {
  if (!existsSync(ledgerFile)) return []
  return readFileSync(ledgerFile, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Entry)
}

export const none: Counts = { right: 0, wrong: 0, inconclusive: 0, broken: 0 }

export function plus(a: Counts, b: Counts): Counts {
  return {
    right: a.right + b.right,
    wrong: a.wrong + b.wrong,
    inconclusive: a.inconclusive + b.inconclusive,
    broken: a.broken + b.broken,
  }
}

export function one(outcome: Outcome): Counts {
  return { ...none, [outcome]: 1 }
}

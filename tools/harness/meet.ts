/** Meets every worker of a program. */

import { describeFailure, type Answer, type NoAnswer, type Server } from './http.ts'
import { pause, seconds } from './patience.ts'
import { Mismatch } from './problems.ts'
import type { Program } from './program.ts'

/**
 * Asks for `path` over fresh connections until every worker that listens has answered it, beside as many clients that
 * keep the workers busy with pages: on an idle machine nobody promises who answers. Resolves to all answers.
 */
export async function meetEveryWorker(
  program: Program,
  path: string,
  advice: {
    readonly within?: number
    readonly likely?: string
    readonly read: string
    readonly headers?: Readonly<Record<string, string>>
  },
): Promise<readonly Answer[]> {
  const wanted = program.listening.map((worker) => worker.pid)
  const { within = seconds(10), likely, read, headers = {} } = advice
  const answers: Answer[] = []
  let failed: NoAnswer | undefined
  let over = false
  const ask = async (url: string, keep: boolean): Promise<void> => {
    while (!over) {
      const answer = await program.fetch(url, keep ? { headers } : {})
      if (answer.ok && keep) answers.push(answer)
      if (answer.ok) continue
      failed = answer
      await pause(20)
    }
  }
  const clients = wanted.flatMap(() => [
    ask(path, true),
    ask('/render?visitor=load', false),
    ask('/render?visitor=load', false),
  ])
  const met = (): readonly number[] =>
    wanted.filter((pid) => answers.some((answer) => answer.servedBy?.pid === pid))
  try {
    await program.until(() => met().length === wanted.length || undefined, { within })
  } finally {
    over = true
    await Promise.all(clients)
  }
  if (met().length === wanted.length) return answers
  const unseen = answers.some((answer) => answer.servedBy === undefined)
  throw new Mismatch({
    expected: `each of the ${wanted.length} workers answers ${path} under load, within ${within / 1000} s`,
    got: unseen
      ? 'answers came from a process that the checker cannot see into'
      : answers.length === 0 && failed !== undefined
        ? `nobody did: ${describeFailure(failed)}`
        : `${met().length} of them did; the answers came from ${describeServers(answers)}`,
    likely: unseen ? UNSEEN : likely,
    read,
    repeat: program.command,
  })
}

/** What it usually means when an answer does not tell the process that it comes from. */
const UNSEEN =
  'the answer does not come through node:http, by which the checker tells who gave it, or from a process that does not inherit NODE_OPTIONS'

/** Who gave this answer; a Mismatch where that cannot be told. */
export function giverOf(program: Program, { servedBy }: Answer, read: string): Server {
  if (servedBy !== undefined) return servedBy
  throw new Mismatch({
    expected: 'the checker can tell which worker gives an answer',
    got: 'an answer came from a process that the checker cannot see into',
    likely: UNSEEN,
    read,
    repeat: program.command,
  })
}

/** `2 workers`, `the primary`, … */
function describeServers(answers: readonly Answer[]): string {
  const servers = new Map(
    answers.flatMap(({ servedBy }) => (servedBy === undefined ? [] : [[servedBy.pid, servedBy]])),
  )
  const workers = [...servers.values()].filter((server) => server.role === 'worker').length
  const names = [
    ...(workers > 0 ? [`${workers} ${workers === 1 ? 'worker' : 'workers'}`] : []),
    ...(workers < servers.size ? ['the first process'] : []),
  ]
  return names.length === 0 ? 'nobody' : names.join(' and ')
}

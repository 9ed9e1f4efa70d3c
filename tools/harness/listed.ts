/** The workers as a program's own admin interface lists them, from lesson 5 on. */

import { describeAnswer } from './http.ts'
import { Mismatch } from './problems.ts'
import type { Program } from './program.ts'

export interface ListedWorker {
  readonly id: number
  readonly pid: number
  readonly state: 'starting' | 'listening' | 'draining'
  readonly startedAt: string
}

/** What `GET /workers` on the admin interface answers now; a Mismatch where that is not such a list. */
export async function workersListed(program: Program, read: string): Promise<readonly ListedWorker[]> {
  const answer = await program.get('/workers', { admin: true, read })
  const list = listIn(answer.text)
  const wrong = list?.find((item) => !isListed(item))
  if (list !== undefined && wrong === undefined) return list as readonly ListedWorker[]
  throw new Mismatch({
    expected:
      'GET /workers answers a JSON array of { id, pid, state, startedAt }, id and pid numbers, state one of starting, listening and draining, startedAt an ISO 8601 string',
    got: list === undefined ? describeAnswer(answer) : `an item ${JSON.stringify(wrong)}`.slice(0, 200),
    read,
    repeat: program.commandWith('/workers', 'GET', '9000'),
  })
}

/** Asks for the list until it is so. Resolves to the last one that was seen, and whether it was so. */
export async function untilListed(
  program: Program,
  isSo: (list: readonly ListedWorker[]) => boolean,
  { within, read }: { readonly within: number; readonly read: string },
): Promise<{ readonly so: boolean; readonly last: readonly ListedWorker[] }> {
  let last: readonly ListedWorker[] = []
  const look = async (): Promise<true | undefined> => {
    last = await workersListed(program, read)
    return isSo(last) || undefined
  }
  const so = await program.eventually(look, { within })
  return { so: so === true, last }
}

function listIn(text: string): readonly unknown[] | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) ? value : undefined
  } catch {
    return undefined
  }
}

function isListed(item: unknown): boolean {
  if (typeof item !== 'object' || item === null) return false
  const { id, pid, state, startedAt } = item as Readonly<Record<string, unknown>>
  return (
    Number.isInteger(id) &&
    Number.isInteger(pid) &&
    (state === 'starting' || state === 'listening' || state === 'draining') &&
    typeof startedAt === 'string' &&
    /^\d{4}-\d\d-\d\dT\d\d:\d\d/.test(startedAt) &&
    !Number.isNaN(Date.parse(startedAt))
  )
}

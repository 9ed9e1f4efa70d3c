/** People who log in to a program and come back with the cookie that they were given. */

import { describeAnswer, jsonOf, type Answer, type NoAnswer, type RequestOptions } from './http.ts'
import { Mismatch, type Finding } from './problems.ts'
import type { Program } from './program.ts'

/** Holds a session of the program by its cookie `sid`. Every request has a connection of its own. */
export class Guest {
  readonly program: Program
  readonly user: string
  readonly sid: string

  constructor(program: Program, user: string, sid: string) {
    this.program = program
    this.user = user
    this.sid = sid
  }

  get cookie(): string {
    return `sid=${this.sid}`
  }

  /** The same person at another program, or at the same one after a restart. */
  at(program: Program): Guest {
    return new Guest(program, this.user, this.sid)
  }

  me(options: RequestOptions = {}): Promise<Answer | NoAnswer> {
    return this.program.fetch('/me', { ...options, headers: { cookie: this.cookie } })
  }

  add(item = 'a book', options: RequestOptions = {}): Promise<Answer | NoAnswer> {
    return post(this.program, '/cart', { item }, { ...options, headers: { cookie: this.cookie } })
  }

  logOut(options: RequestOptions = {}): Promise<Answer | NoAnswer> {
    return this.program.fetch('/logout', {
      ...options,
      method: 'POST',
      headers: { cookie: this.cookie, 'content-length': '0' },
    })
  }

  /** A login that comes with this session's cookie. */
  logInAgain(options: RequestOptions = {}): Promise<Answer | NoAnswer> {
    return post(this.program, '/login', { user: this.user }, { ...options, headers: { cookie: this.cookie } })
  }

  /** `visits` as `/me` answers it, this call included; a Mismatch where it does not. */
  async visits(advice: Partial<Finding>): Promise<number> {
    const answer = await this.me()
    const { user, visits } = (answer.ok ? jsonOf(answer) : undefined) ?? {}
    if (answer.ok && answer.status === 200 && user === this.user && typeof visits === 'number') return visits
    throw await this.#mismatch(
      `GET /me with the cookie answers { "user": "${this.user}", "visits": n }`,
      answer,
      advice,
    )
  }

  /** `items` as `POST /cart` answers it, this one included; a Mismatch where it does not. */
  async items(advice: Partial<Finding>): Promise<number> {
    const answer = await this.add()
    const { items } = (answer.ok ? jsonOf(answer) : undefined) ?? {}
    if (answer.ok && answer.status === 200 && typeof items === 'number') return items
    throw await this.#mismatch('POST /cart { "item" } with the cookie answers { "items": n }', answer, advice)
  }

  async #mismatch(expected: string, answer: Answer | NoAnswer, advice: Partial<Finding>): Promise<Mismatch> {
    await this.program.mustBeAlive()
    return new Mismatch({
      expected,
      got: `it answered ${describeAnswer(answer)}`,
      read: 'the-contract',
      repeat: commandWithSession(this.program),
      ...advice,
    })
  }
}

/** Logs in, with this `cookie` header if one is given. A Mismatch unless it is answered with 204 and a cookie `sid`. */
export async function logIn(
  program: Program,
  user: string,
  { cookie, ...advice }: { readonly cookie?: string } & Partial<Finding> = {},
): Promise<Guest> {
  const answer = await post(program, '/login', { user }, cookie === undefined ? {} : { headers: { cookie } })
  const sid = answer.ok && answer.status === 204 ? sessionCookie(answer)?.value : undefined
  if (sid !== undefined && sid !== '') return new Guest(program, user, sid)
  await program.mustBeAlive()
  throw new Mismatch({
    expected: 'POST /login { "user" } answers 204 with a set-cookie header that begins with sid=',
    got: `it answered ${describeAnswer(answer)}${answer.ok ? `, set-cookie: ${answer.headers['set-cookie']?.join(' | ') ?? 'none'}` : ''}`,
    read: 'the-contract',
    repeat: commandWithSession(program),
    ...advice,
  })
}

export interface SessionCookie {
  readonly value: string
  /** Names in lower case; an attribute without a value has an empty one. */
  readonly attributes: ReadonlyMap<string, string>
}

/** The last cookie `sid` that an answer sets. */
export function sessionCookie({ headers }: Answer): SessionCookie | undefined {
  const line = headers['set-cookie']?.findLast((cookie) => /^\s*sid\s*=/.test(cookie))
  if (line === undefined) return undefined
  const [pair = '', ...others] = line.split(';')
  return {
    value: pair.slice(pair.indexOf('=') + 1).trim(),
    attributes: new Map(
      others.map((attribute) => {
        const [name = '', ...value] = attribute.split('=')
        return [name.trim().toLowerCase(), value.join('=').trim()]
      }),
    ),
  }
}

function post(
  program: Program,
  path: string,
  body: object,
  { headers, ...options }: RequestOptions = {},
): Promise<Answer | NoAnswer> {
  const text = JSON.stringify(body)
  return program.fetch(path, {
    ...options,
    method: 'POST',
    body: text,
    headers: {
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(text)),
      ...headers,
    },
  })
}

/** `/me` and `/cart` refuse it with 401, or a Mismatch: there is no such session. */
export async function expectNoSession(
  guest: Guest,
  expected: string,
  { likely, read }: { readonly likely: string; readonly read: string },
): Promise<void> {
  for (const [what, answer] of [
    ['GET /me', await guest.me()],
    ['POST /cart', await guest.add()],
  ] as const) {
    if (answer.ok && answer.status === 401) continue
    await guest.program.mustBeAlive()
    throw new Mismatch({
      expected: `${expected}: ${what} answers 401`,
      got: `it answered ${describeAnswer(answer)}`,
      likely,
      read,
      repeat: commandWithSession(guest.program),
    })
  }
}

/** A shell command that starts the program, logs in and asks `/me` some times. */
export function commandWithSession(program: Program): string {
  const login = `curl -sic /tmp/jar -H 'content-type: application/json' -d '{"user":"ada"}' localhost:8000/login`
  const ask = 'for i in 1 2 3 4; do curl -sb /tmp/jar localhost:8000/me; echo; done'
  return `${program.command} & sleep 2; ${login}; ${ask}; kill %1`
}

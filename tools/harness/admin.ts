/** The admin interface of a program, from lesson 5 on. */

import { addressesOf, isLoopback, isReachableOffLoopback } from './loopback.ts'
import { describeAnswer } from './http.ts'
import { seconds } from './patience.ts'
import { Mismatch } from './problems.ts'
import type { Program } from './program.ts'

/** It answers, though perhaps a moment after the workers. */
export async function opensAdmin(program: Program, read: string): Promise<void> {
  const look = async (): Promise<true | undefined> => {
    await program.mustBeAlive()
    return (await program.admin('/workers')).ok || undefined
  }
  if ((await program.eventually(look, { within: seconds(10) })) === true) return
  throw new Mismatch({
    expected: 'the primary answers on 127.0.0.1 and the port that ADMIN_PORT names, also while workers start',
    got: 'nobody answers there',
    likely: 'it is opened only when all workers listen, or on another port than that of ADMIN_PORT',
    read,
    repeat: program.commandWith('/workers', 'GET', '9000'),
  })
}

/** Nobody reaches it from another machine. */
export async function keepsAdminToLoopback(program: Program, read: string): Promise<void> {
  const { adminPort } = program.identity
  const open = addressesOf(program, adminPort).filter((address) => !isLoopback(address))
  if (open.length === 0 && (await isReachableOffLoopback(adminPort)) !== true) return
  throw new Mismatch({
    expected: 'the admin interface answers on 127.0.0.1 only',
    got:
      open.length > 0
        ? `it listens on ${open.join(', ')}`
        : 'it also answers on another address of this machine',
    likely:
      'listen(port) without a host listens on every address, so that whoever reaches this machine may give orders',
    read,
    repeat: program.command,
  })
}

/** Orders a reload, as soon as the one before is over. */
export async function orderReload(program: Program, read: string): Promise<void> {
  let last = 'nothing'
  const look = async (): Promise<true | undefined> => {
    const answer = await program.admin('/reload', { method: 'POST' })
    last = describeAnswer(answer)
    return (answer.ok && answer.status === 202) || undefined
  }
  if ((await program.eventually(look, { within: seconds(10) })) === true) return
  await program.mustBeAlive()
  throw new Mismatch({
    expected: 'POST /reload answers 202, once no reload runs any more',
    got: `10 s after the last one it answers ${last}`,
    likely: 'whatever remembers that a reload runs is not reset on every way out of it',
    read,
    repeat: program.commandWith('/reload', 'POST', '9000'),
  })
}

/** An order to the admin interface is answered with this status. */
export async function giveOrder(
  program: Program,
  order: string,
  { status = 202, body, read }: { readonly status?: number; readonly body?: string; readonly read: string },
): Promise<void> {
  const [method = 'POST', path = '/'] = order.split(' ')
  await program.get(path, {
    admin: true,
    method,
    status,
    read,
    expected: `${order}${body === undefined ? '' : ` with ${body === '' ? 'an empty body' : body}`} is answered with ${status}`,
    repeat: program.commandWith(path, `${method}${body === undefined ? '' : ` -d '${body}'`}`, '9000'),
    ...(body !== undefined && { body, headers: { 'content-type': 'application/json' } }),
  })
}

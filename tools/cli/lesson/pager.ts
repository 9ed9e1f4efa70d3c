/** A long text in a terminal: through a pager, where there is one and nobody minds. */

import { spawn } from 'node:child_process'
import type { Desk } from '../desk.ts'

/** Writes it; in a terminal that it does not fit in, through $PAGER or less, unless that is not wanted. */
export async function show(text: string, desk: Desk, wishes: { readonly pager: boolean }): Promise<void> {
  const lines = text.split('\n').length
  // What `npm run lesson 3 read --no-pager` leaves of the option that npm took for itself.
  const taken = desk.env['npm_config_pager']
  const wanted = wishes.pager && taken !== '' && taken !== 'false' && desk.env['TERM'] !== 'dumb'
  // A pager has this process's terminal, and no other.
  const fits =
    desk.stdout !== process.stdout || desk.stdout.isTTY !== true || lines < (desk.stdout.rows ?? 24)
  if (fits || !wanted || !(await paged(text, desk))) desk.stdout.write(text)
}

/** @returns whether there is a pager */
function paged(text: string, desk: Desk): Promise<boolean> {
  const command = desk.env['PAGER'] || 'less'
  // Keeps colours, ends by itself when all fits, leaves the text on the screen.
  const env = { LESS: 'RFX', ...desk.env }
  // Ctrl-C in a pager belongs to the pager.
  const ignore = (): void => undefined
  process.on('SIGINT', ignore)
  return new Promise((resolve) => {
    const pager = spawn(command, { shell: true, env, stdio: ['pipe', 'inherit', 'inherit'] })
    pager.on('error', () => resolve(false))
    // 127: the shell did not find it.
    pager.on('close', (code) => resolve(code !== 127))
    pager.stdin.on('error', ignore)
    pager.stdin.end(text)
  }).then((found) => {
    process.off('SIGINT', ignore)
    return found === true
  })
}

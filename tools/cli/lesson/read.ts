/** The whole text of a lesson, in a pager when that helps. */

import { spawn } from 'node:child_process'
import type { Desk } from '../desk.ts'
import { wholeText } from './text.ts'
import type { Visit } from './visit.ts'

export async function read(visit: Visit): Promise<number> {
  const text = `${wholeText(visit)}\n`
  const { desk } = visit
  const lines = text.split('\n').length
  if (desk.stdout !== process.stdout || desk.stdout.isTTY !== true || lines < (desk.stdout.rows ?? 24)) {
    desk.stdout.write(text)
    return 0
  }
  if (!(await paged(text, desk))) desk.stdout.write(text)
  return 0
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

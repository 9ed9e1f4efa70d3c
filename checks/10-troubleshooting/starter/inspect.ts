/** The debugger of one worker at a time, opened when somebody asks for it. */

import inspector from 'node:inspector'
import type { Member } from './crew.ts'

/** How long the primary waits for the worker's answer, in ms: a hung one gives none. */
const answerMs = 2000

let inspected: Member | undefined

/** In the primary: resolves to the address of this worker's inspector, or to undefined if it does not answer. */
export function inspect(member: Member): Promise<string | undefined> {
  const { worker } = member
  // An open inspector is a way into the process: there is never more than one.
  if (inspected !== undefined && inspected !== member)
    inspected.worker.send({ type: 'close-inspector' }, () => {})
  inspected = member
  return new Promise((resolve) => {
    const settle = (url?: string): void => {
      clearTimeout(deadline)
      worker.off('message', listen)
      resolve(url)
    }
    const listen = (message: { type?: string; url?: string } | null): void => {
      if (message?.type === 'inspector') settle(message.url)
    }
    const deadline = setTimeout(settle, answerMs)
    worker.on('message', listen)
    void member.gone.then(() => settle())
    worker.send({ type: 'open-inspector' }, () => {})
  })
}

/** In a worker. */
export function openInspector(): void {
  if (inspector.url() === undefined) inspector.open(9229, '0.0.0.0')
  process.send?.({ type: 'inspector', url: inspector.url() }, undefined, undefined, () => {})
}

/** In a worker. */
export function closeInspector(): void {
  inspector.close()
}

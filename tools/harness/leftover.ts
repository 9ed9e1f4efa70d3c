/** What a program goes on doing when nobody waits for it any more. */

import { pause, patientNow } from './patience.ts'
import type { Program } from './program.ts'
import { usedBetween } from './usage.ts'

const LOOK_EVERY_MS = 200
/** Of one core, used or waited for: below it, a program does nothing. */
const IDLE = 0.15

/** CPU time in ms that its processes use from now on until it is idle; ends when that is more than `atMost`. */
export async function workLeft(program: Program, atMost: number): Promise<number> {
  const start = patientNow()
  let reading = await program.usage()
  let cpuMs = 0
  for (;;) {
    await pause(LOOK_EVERY_MS)
    const next = await program.usage()
    const used = usedBetween(reading, next)
    reading = next
    cpuMs += used.cpuMs
    if (cpuMs > atMost || used.wantedMs < used.timeMs * IDLE || patientNow() - start > 30_000) return cpuMs
  }
}

/** CPU time in ms that its processes, or one of them, use while `work` runs. */
export async function cpuOf(program: Program, work: () => Promise<unknown>, pid?: number): Promise<number> {
  const before = await program.usage()
  await work()
  const used = usedBetween(before, await program.usage())
  return pid === undefined ? used.cpuMs : (used.cpuByProcess.get(pid) ?? 0)
}

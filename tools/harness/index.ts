/** `#harness`: all that a check may use. */

export { check, holds, note, skip } from './check.ts'
export { pause, seconds, until } from './patience.ts'
export { Inconclusive, Mismatch } from './problems.ts'
export { cores } from './plans.ts'
export { start } from './start.ts'
export type { Program } from './program.ts'
export type { Worker } from './workers.ts'
export type { Answer, NoAnswer } from './http.ts'

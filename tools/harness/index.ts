/** `#harness`: all that a check may use. */

export { check, holds, note, skip } from './check.ts'
export { endsOnSigterm, refusesOddRequests, servesPages } from './contract.ts'
export { describeAnswer, type Answer, type NoAnswer, type Server } from './http.ts'
export { expect } from './matchers.ts'
export { pause, seconds, until } from './patience.ts'
export { Inconclusive, Mismatch } from './problems.ts'
export { cores } from './plans.ts'
export { holdPort, oneAllowedCore } from './platform.ts'
export type { Program } from './program.ts'
export { freePort, start } from './start.ts'
export { workersUnderLoad } from './throughput.ts'
export type { Worker } from './workers.ts'

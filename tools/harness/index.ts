/** `#harness`: all that a check may use. */

export { giveOrder, keepsAdminToLoopback, opensAdmin, orderReload } from './admin.ts'
export { forksNobodyAfter, leave, lists, neverMoreThan, reaches, replacesAll } from './crew.ts'
export { expectPromptBesideReports } from './beside-reports.ts'
export { check, holds, note, skip } from './check.ts'
export {
  asksForTheDefaultPort,
  endsAfterADeath,
  endsOnSigterm,
  endsWhileOneStarts,
  expectNoDeath,
  READY_LINE,
  readyLines,
  refusesOddRequests,
  servesPages,
  tellsReadyOnce,
} from './contract.ts'
export { follow, type FollowedRequest } from './arrivals.ts'
export {
  describeFailures,
  keepAsking,
  openRaw,
  openRequest,
  type Asked,
  type Asking,
  type OpenRequest,
  type RawClient,
} from './clients.ts'
export {
  allocate,
  block,
  crash,
  dieAtRequest,
  giveNextForks,
  hang,
  heapOf,
  killNextFork,
  reject,
  sendMessage,
  stop,
  watchRequests,
} from './faults.ts'
export { beginOnEach, type InFlight } from './in-flight.ts'
export { untilListed, workersListed, type ListedWorker } from './listed.ts'
export { lifecycleDifference, lifecycleSeen, lifecycleTold, mostAlive } from './lifecycle.ts'
export { addressesOf, isLoopback, isReachableOffLoopback } from './loopback.ts'
export { occupy, partAnsweredBy, type Occupied } from './occupied.ts'
export { askRaw, fieldsOf, valuesOf, type Fields } from './raw-request.ts'
export { asUser, workerOf, workersOf } from './users.ts'
export { describeAnswer, jsonOf, keptConnection, type Answer, type NoAnswer, type Server } from './http.ts'
export { blameFor, type Hit } from './blame.ts'
export { evaluateAt } from './devtools.ts'
export { heapGrowth } from './growth.ts'
export { jsonLine, requestLine, type JsonLine } from './json-lines.ts'
export { drawLots } from './lot.ts'
export { sideBySide } from './side-by-side.ts'
export { expect } from './matchers.ts'
export {
  countSent,
  hasHeldMessages,
  holdMessages,
  junkMessages,
  recordedMessages,
  releaseMessages,
  sendToWorker,
  spoilt,
} from './messages.ts'
export { patientNow, pause, seconds, until } from './patience.ts'
export { Inconclusive, Mismatch } from './problems.ts'
export { cores } from './plans.ts'
export { holdPort, noteOldNames, oneAllowedCore } from './platform.ts'
export { connectToEveryWorker, type Connections } from './connections.ts'
export { giverOf, meetEveryWorker } from './meet.ts'
export { expectCost } from './cost.ts'
export { startReference } from './reference.ts'
export { keepsPaceInReload, reloadUnderLoad, type Reload } from './reload.ts'
export type { Program } from './program.ts'
export { freePort, freshFolder, shareOther, start, type Start } from './start.ts'
export { commandWithSession, expectNoSession, Guest, logIn, sessionCookie } from './guests.ts'
export { bitsOf, comeAgain } from './identifiers.ts'
export { startRedis, type RedisServer } from './redis.ts'
export { replaceByFolders, spoilFiles } from './data-folder.ts'
export { workersUnderLoad } from './throughput.ts'
export { median, quantile } from './share.ts'
export { readExposition, type Exposition, type Sample } from './prometheus.ts'
export { findSecret, formsOf } from './secrets.ts'
export { bearsSignature, forge, maimed, signatureOf } from './forgery.ts'
export { cpuOf, workLeft } from './leftover.ts'
export { mentions } from './source.ts'
export {
  boundsSlowClients,
  cutsUploadsShort,
  echoesApart,
  echoesWhole,
  survivesNonsense,
  type Room,
} from './bounds.ts'
export { inOrder } from './in-order.ts'
export {
  askBesideHeavy,
  freesItsPlace,
  freesWaitingPlace,
  givesUpItsWork,
  hasNoMorePlaces,
  heldTogether,
  isRetryAfter,
  repeatBurst,
  runsOneAtATime,
  runsOneInEach,
  statusesOf,
  type Places,
} from './places.ts'
export type { LostWorker, Worker } from './workers.ts'
export { takenBetween } from './usage.ts'
export { withoutCutByNode } from './cut-by-node.ts'
export { unlessHeldUp } from './held-up.ts'
export { unlessTakenForHung } from './taken-for-hung.ts'
export {
  expectAgreement,
  expectAnswerInTime,
  expectBannerEverywhere,
  expectOutcome,
  putBanner,
  putInPieces,
  sendBanner,
  type BannerPut,
} from './banner.ts'
export { countHit, expectExact, expectExactStats, hit, statsIn, totalOf, totalSeenBy } from './hits.ts'
export { expectPrimaryAlive, openScene, type Advice, type Scene } from './scene.ts'

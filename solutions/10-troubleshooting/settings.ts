/** What the environment says. An empty value counts as unset. */

import { availableParallelism } from 'node:os'

export const port = Number(process.env.PORT || 8000)
export const adminPort = Number(process.env.ADMIN_PORT || 9000)

/** How long a drain may take, in ms. */
export const shutdownMs = Number(process.env.SHUTDOWN_MS || 5000)
/** How long a worker's event loop may stand still, in ms. */
export const hangMs = Number(process.env.HANG_MS || 2000)
/** How much memory a worker may hold, in MiB. */
export const maxRssMb = Number(process.env.MAX_RSS_MB || 512)

/** How a worker that can never listen ends: EX_UNAVAILABLE of sysexits.h. Node itself uses 1 to 14. */
export const cannotListen = 69

/** From 1 to 64; when unset or empty, one per core that this process may use. Undefined for anything else. */
export function wantedWorkers(): number | undefined {
  const text = process.env.WORKERS
  if (text === undefined || text === '') return availableParallelism()
  const workers = /^\d+$/.test(text) ? Number(text) : 0
  return workers >= 1 && workers <= 64 ? workers : undefined
}

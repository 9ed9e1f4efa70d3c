// A lock between processes: a folder that tells which processes hold it, with a heartbeat.

import { mkdirSync, readFileSync, renameSync, rmSync, rmdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'

const beatMs = 1000
/** After a restart of the machine the pid may be another program's. Measured by the waiter's own clock. */
const silenceMs = 120_000
const lookMs = 200

/**
 * Takes the lock, waiting for its owner as long as that one lives.
 * @param {string} folder the lock
 * @param {(line: string) => void} say
 * @returns {Promise<Lock>}
 *
 * @typedef {object} Lock
 * @property {(pid: number) => void} share makes the lock last as long as this process, too
 * @property {() => void} release
 */
export async function holdLock(folder, say) {
  mkdirSync(dirname(folder), { recursive: true })
  let told = false
  let lastSeen = ''
  let silentSince = performance.now()
  for (;;) {
    if (take(folder) || takeOver(folder, lastSeen, performance.now() - silentSince)) return keep(folder)
    const seen = ownerOf(folder)
    if (seen !== lastSeen) {
      lastSeen = seen
      silentSince = performance.now()
    }
    if (!told && isAlive(seen)) {
      told = true
      say(`Another command (process ${pidsOf(seen)[0]}) installs the dependencies: waiting for it.`)
    }
    await wait(lookMs)
  }
}

/** Renaming a filled folder is atomic and fails on another filled one, so a lock is never seen without its owner. @param {string} folder */
function take(folder) {
  const mine = `${folder}.${process.pid}`
  rmSync(mine, { recursive: true, force: true })
  mkdirSync(mine)
  beat(mine)
  try {
    renameSync(mine, folder)
    return true
  } catch (error) {
    rmSync(mine, { recursive: true, force: true })
    if (codeOf(error) === 'ENOTEMPTY' || codeOf(error) === 'EEXIST') return false
    throw error
  }
}

/**
 * Only one of several waiters gets to replace the owner: whoever makes the inner folder. It looks again once inside,
 * since another may have been there before.
 * @param {string} folder
 * @param {string} lastSeen
 * @param {number} silentMs
 */
function takeOver(folder, lastSeen, silentMs) {
  if (!isStale(ownerOf(folder), lastSeen, silentMs)) return false
  const door = join(folder, 'takeover')
  try {
    mkdirSync(door)
  } catch {
    return false
  }
  const stale = isStale(ownerOf(folder), lastSeen, silentMs)
  if (stale) beat(folder)
  rmdirSync(door)
  return stale
}

/**
 * @param {string} owner
 * @param {string} lastSeen
 * @param {number} silentMs
 */
function isStale(owner, lastSeen, silentMs) {
  return (owner !== '' && !isAlive(owner)) || (owner === lastSeen && silentMs > silenceMs)
}

/** @param {string} folder */
function keep(folder) {
  let pids = [process.pid]
  const timer = setInterval(() => beat(folder, pids), beatMs)
  return {
    /** @param {number} pid */
    share(pid) {
      pids = [...pids, pid]
      beat(folder, pids)
    },
    release() {
      clearInterval(timer)
      if (pidsOf(ownerOf(folder))[0] === process.pid) rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** @param {string} folder @param {number[]} pids */
function beat(folder, pids = [process.pid]) {
  const path = join(folder, 'owner')
  writeFileSync(`${path}.${process.pid}`, `${Date.now()} ${pids.join(' ')}`)
  renameSync(`${path}.${process.pid}`, path)
}

/** @param {string} folder */
function ownerOf(folder) {
  try {
    return readFileSync(join(folder, 'owner'), 'utf8')
  } catch {
    return ''
  }
}

/** @param {string} owner */
function pidsOf(owner) {
  return owner.split(' ').slice(1).map(Number)
}

/** @param {string} owner */
function isAlive(owner) {
  return pidsOf(owner).some((pid) => {
    try {
      process.kill(pid, 0)
      return true
    } catch (error) {
      return codeOf(error) === 'EPERM'
    }
  })
}

/** @param {unknown} error */
function codeOf(error) {
  return error instanceof Error && 'code' in error ? error.code : undefined
}

/** What the control groups that this process is in let it use: containers and CI runners are limited by them. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Undefined: no limit is set, or the kernel does not tell. */
export interface Limits {
  /** CPU time per time: 1.5 is one and a half cores. */
  readonly cores: number | undefined
  readonly memoryBytes: number | undefined
  /** What of `memoryBytes` is in use, without pages that the kernel would give back. */
  readonly memoryUsedBytes: number
  /** Processes and threads together. */
  readonly tasks: number | undefined
  readonly tasksUsed: number
}

/** Version 1 says "no limit" with the largest number of pages that it can hold. */
const unlimitedFrom = 2 ** 60

/**
 * Reads version 1 and 2. A group is bound by all groups above it, so the smallest limit on the way up counts. In a
 * container the way up ends at its own group, which is mounted in the place of the root.
 * @param root in place of `/`
 */
export function cgroupLimits(root = '/'): Limits {
  const groups = groupsOf(text(join(root, 'proc/self/cgroup')) ?? '')
  const folders = (controller: string): readonly string[] => foldersOf(root, groups, controller)
  const memory = tightest(folders('memory'), (folder) => {
    const limit = numberIn(folder, 'memory.max') ?? numberIn(folder, 'memory.limit_in_bytes')
    return limit === undefined || limit >= unlimitedFrom ? undefined : limit
  })
  const tasks = tightest(folders('pids'), (folder) => numberIn(folder, 'pids.max'))
  return {
    cores: tightest(folders('cpu'), quotaIn)?.limit,
    memoryBytes: memory?.limit,
    memoryUsedBytes: memory === undefined ? 0 : memoryUsedIn(memory.folder),
    tasks: tasks?.limit,
    tasksUsed: tasks === undefined ? 0 : (numberIn(tasks.folder, 'pids.current') ?? 0),
  }
}

interface Group {
  /** Empty for version 2, which has one tree for all. */
  readonly controllers: string
  readonly path: string
}

function groupsOf(table: string): readonly Group[] {
  return table.split('\n').flatMap((line) => {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
    return controllers === undefined || path === undefined ? [] : [{ controllers, path }]
  })
}

/** The folders that may limit it, from the group of this process up to the root of what is mounted. */
function foldersOf(root: string, groups: readonly Group[], controller: string): readonly string[] {
  return groups.flatMap(({ controllers, path }) => {
    const names = controllers.split(',')
    if (controllers !== '' && !names.includes(controller)) return []
    const mounts = controllers === '' ? [''] : [controllers, controller]
    return mounts.flatMap((mount) => upwards(join(root, 'sys/fs/cgroup', mount), path))
  })
}

function upwards(mount: string, path: string): readonly string[] {
  // `/../..` leads out of what a container can see.
  const parts = path.split('/').filter((part) => part !== '' && part !== '..')
  return Array.from({ length: parts.length + 1 }, (_, up) =>
    join(mount, ...parts.slice(0, parts.length - up)),
  )
}

function tightest(
  folders: readonly string[],
  limitIn: (folder: string) => number | undefined,
): { readonly folder: string; readonly limit: number } | undefined {
  return folders
    .flatMap((folder) => {
      const limit = limitIn(folder)
      return limit === undefined ? [] : [{ folder, limit }]
    })
    .sort((one, other) => one.limit - other.limit)[0]
}

/** `cpu.max` is `150000 100000` or `max 100000`, in µs; version 1 has a file for each, and −1 for no quota. */
function quotaIn(folder: string): number | undefined {
  const [quota, period] = text(join(folder, 'cpu.max'))?.trim().split(' ') ?? [
    text(join(folder, 'cpu.cfs_quota_us')),
    text(join(folder, 'cpu.cfs_period_us')),
  ]
  const cores = Number(quota) / Number(period)
  return Number.isFinite(cores) && cores > 0 ? cores : undefined
}

function memoryUsedIn(folder: string): number {
  const used = numberIn(folder, 'memory.current') ?? numberIn(folder, 'memory.usage_in_bytes') ?? 0
  const statistics = text(join(folder, 'memory.stat')) ?? ''
  const [, idle = '0'] =
    /^total_inactive_file (\d+)$/m.exec(statistics) ?? /^inactive_file (\d+)$/m.exec(statistics) ?? []
  return Math.max(0, used - Number(idle))
}

function numberIn(folder: string, name: string): number | undefined {
  const found = text(join(folder, name))?.trim()
  return found !== undefined && /^\d+$/.test(found) ? Number(found) : undefined
}

function text(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

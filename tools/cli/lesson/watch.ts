/** Tells when the learner's files of a lesson may have changed. */

import { statfs } from 'node:fs/promises'
import { relative } from 'node:path'
import { type FSWatcher, watch } from 'chokidar'
import { isHidden, isSource } from '../../progress/fingerprint.ts'

export interface LessonWatcher {
  close(): Promise<void>
}

export interface WatchOptions {
  readonly env: NodeJS.ProcessEnv
  /** Told in one line what the learner should know about the watching. */
  tell(line: string): void
  /** Called once for the several events of one save. The content may be what it was. */
  onChange(): Promise<void>
}

/** An editor's rename, a swap file, a formatter: a save is several events within a few milliseconds. */
const quietMs = 40
const longestMs = 200
const pollMs = 300

export async function watchLesson(folder: string, options: WatchOptions): Promise<LessonWatcher> {
  const settled = debounced(() => void options.onChange())
  const open = (usePolling: boolean): FSWatcher =>
    watch(folder, {
      ignoreInitial: true,
      usePolling,
      interval: pollMs,
      ignored: (path, stats) => {
        const inside = relative(folder, path)
        return isHidden(inside) || (stats?.isFile() === true && !isSource(inside))
      },
    })
      .on('all', settled.call)
      // What was saved before the watching began has no event.
      .on('ready', settled.call)

  const wanted = options.env['EVERY_CORE_POLL']
  const remote = wanted === undefined && (await isRemote(folder))
  if (remote)
    options.tell('This folder is on a network or shared drive: its files are looked at every 0.3 s.')
  let watcher = open(remote || (wanted !== undefined && wanted !== '0'))
  // Mostly ENOSPC or EMFILE: this machine has no file events left to give.
  watcher.on('error', (error) => {
    if (watcher.options.usePolling) return
    options.tell(`File events do not work here (${messageOf(error)}): the files are looked at every 0.3 s.`)
    void watcher.close()
    watcher = open(true)
  })
  return {
    async close() {
      settled.cancel()
      await watcher.close()
    },
  }
}

/** Numbers of statfs(2): file systems that tell nothing of changes made on another machine. */
const remoteTypes = new Set([
  0x6969, // NFS
  0x517b, // SMB
  0xff534d42, // CIFS
  0xfe534d42, // SMB 2
  0x01021997, // 9p: WSL's /mnt/c, some virtual machines
  0x786f4256, // VirtualBox shared folders
  0x65735546, // FUSE: sshfs, Docker Desktop
])

async function isRemote(folder: string): Promise<boolean> {
  if (process.platform !== 'linux') return false
  try {
    return remoteTypes.has((await statfs(folder)).type)
  } catch {
    return false
  }
}

function debounced(act: () => void): { call(): void; cancel(): void } {
  let timer: NodeJS.Timeout | undefined
  let since = 0
  return {
    call() {
      const now = performance.now()
      if (timer === undefined) since = now
      clearTimeout(timer)
      timer = setTimeout(
        () => {
          timer = undefined
          act()
        },
        Math.max(0, Math.min(quietMs, since + longestMs - now)),
      )
    },
    cancel() {
      clearTimeout(timer)
    },
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The Nodes that this project has to work on, beside the one that runs the audit. */

import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { run } from '../commands.ts'

/** The lines of releases that are in use. */
const MAJORS = [20, 22, 24, 26] as const

export interface OtherNode {
  readonly major: number
  /** Absolute. */
  readonly path: string
  /** `v22.1.0` */
  readonly version: string
}

export interface OtherNodes extends Disposable {
  readonly installed: readonly OtherNode[]
  /** Those that are not there, each with the reason. */
  readonly missing: readonly { readonly major: number; readonly why: string }[]
}

/**
 * Installs the others from npm's registry into a temporary folder, which goes with them. What is in the folder that
 * EVERY_CORE_NODES names is taken from there, and what is not is put there and kept.
 */
export async function installOtherNodes(): Promise<OtherNodes> {
  const kept = process.env.EVERY_CORE_NODES
  const temporary = kept === undefined ? temporaryFolder() : undefined
  const folder = kept ?? temporary?.path ?? ''
  const current = Number(process.versions.node.split('.')[0])
  const wanted = MAJORS.filter((major) => major !== current)
  const all = await Promise.all(wanted.map((major) => installNode(major, join(folder, String(major)))))
  return {
    installed: all.filter((one) => 'path' in one),
    missing: all.filter((one) => 'why' in one),
    [Symbol.dispose]() {
      temporary?.[Symbol.dispose]()
    },
  }
}

/** It goes also when this process is told to end: it holds half a gigabyte. */
function temporaryFolder(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'every-core-nodes-'))
  const remove = (): void => rmSync(path, { recursive: true, force: true, maxRetries: 3 })
  const removeAndEnd = (signal: NodeJS.Signals): void => {
    remove()
    process.removeListener(signal, removeAndEnd)
    process.kill(process.pid, signal)
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const signal of signals) process.on(signal, removeAndEnd)
  return {
    path,
    [Symbol.dispose]() {
      for (const signal of signals) process.removeListener(signal, removeAndEnd)
      remove()
    },
  }
}

/** An environment in which `node`, and with it `npm`, is this one. */
export function environmentOf({ path }: OtherNode): Record<string, string> {
  return { PATH: `${dirname(path)}${delimiter}${process.env.PATH ?? ''}` }
}

async function installNode(
  major: number,
  folder: string,
): Promise<OtherNode | { readonly major: number; readonly why: string }> {
  const path = join(folder, 'node_modules', 'node', 'bin', 'node')
  if (!existsSync(path)) {
    mkdirSync(folder, { recursive: true })
    const settings = ['--no-audit', '--no-fund', '--loglevel=error', '--ignore-scripts=false']
    const install = ['install', '--prefix', folder, ...settings, `node@${major}`]
    const { code, output } = await run('npm', install, withoutOwnPrefix)
    if (code !== 0 || !existsSync(path)) return { major, why: `npm install: ${output.trim().slice(0, 500)}` }
  }
  const { stdout, output } = await run(path, ['--version'])
  const version = stdout.trim()
  if (!version.startsWith(`v${major}.`)) return { major, why: `it says ${output.trim().slice(0, 500)}` }
  return { major, path, version }
}

/** `npm test` tells its children where the project is; a package's own script that calls npm would install there. */
const withoutOwnPrefix = { npm_config_prefix: '', npm_config_local_prefix: '', npm_config_global_prefix: '' }

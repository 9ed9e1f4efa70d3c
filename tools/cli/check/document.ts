/** A file that results are written to: whole or not at all. */

import {
  accessSync,
  appendFileSync,
  constants,
  existsSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { EnvironmentProblem } from '../../harness/problems.ts'
import type { Results } from '../../harness/verdict.ts'
import { UsageError } from '../endings.ts'

export interface Document extends Disposable {
  /** Absolute. */
  readonly file: string
  write(text: string): void
}

export interface Place {
  /** The option that names it, for messages: `--output`. */
  readonly option: string
  /** Relative to the project, or absolute. */
  readonly path: string
  readonly root: string
  /** Added to what the file holds; else the file is replaced. */
  readonly append?: boolean
}

/**
 * Makes sure that the file can be written, before anything is graded.
 * @throws UsageError when it cannot
 */
export function reserveDocument({ option, path, root, append = false }: Place): Document {
  const file = resolve(root, path)
  const found = statSync(file, { throwIfNoEntry: false })
  if (found?.isDirectory() === true) throw new UsageError(`${option}: ${file} is a folder; name a file.`)
  // A device or a pipe (/dev/stdout) must not be replaced by a file.
  const replaces = !append && (found === undefined || found.isFile())
  const target = replaces ? join(dirname(file), `.${basename(file)}.${process.pid}.tmp`) : file
  try {
    if (found !== undefined) accessSync(file, constants.W_OK)
    if (target !== file) writeFileSync(target, '')
    else if (found === undefined) accessSync(dirname(file), constants.W_OK)
  } catch (error) {
    throw new UsageError(`${option}: ${file} cannot be written (${reasonOf(error)}).`)
  }
  return {
    file,
    write(text) {
      try {
        if (append) return appendFileSync(file, text)
        writeFileSync(target, text)
        if (target !== file) renameSync(target, file)
      } catch (error) {
        throw new EnvironmentProblem(
          `${file} could not be written: ${messageOf(error)}.`,
          `Name another file with ${option}.`,
        )
      }
    },
    [Symbol.dispose]() {
      if (target !== file && existsSync(target)) rmSync(target, { force: true })
    },
  }
}

/** The whole of one run as text. */
export function documentOf(results: Results): string {
  return `${JSON.stringify(results, undefined, 2)}\n`
}

function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'ENOENT' || code === 'ENOTDIR') return 'its folder does not exist'
  return code === 'EACCES' || code === 'EPERM' || code === 'EROFS'
    ? 'it is write-protected'
    : messageOf(error)
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

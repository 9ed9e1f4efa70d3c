/** The results in a file: whole or not at all. */

import { accessSync, constants, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { EnvironmentProblem } from '../../harness/problems.ts'
import type { Results } from '../../harness/verdict.ts'
import { UsageError } from '../endings.ts'

export interface Document extends Disposable {
  write(results: Results): void
}

/**
 * Makes sure that the file can be written, before anything is graded.
 * @param path relative to the project, or absolute
 * @throws UsageError when it cannot
 */
export function reserveDocument(path: string, root: string): Document {
  const file = resolve(root, path)
  const found = statSync(file, { throwIfNoEntry: false })
  if (found?.isDirectory() === true) throw new UsageError(`--output: ${file} is a folder; name a file.`)
  // A device or a pipe (/dev/stdout) must not be replaced by a file.
  const target =
    found === undefined || found.isFile()
      ? join(dirname(file), `.${basename(file)}.${process.pid}.tmp`)
      : file
  try {
    if (found !== undefined) accessSync(file, constants.W_OK)
    if (target !== file) writeFileSync(target, '')
  } catch (error) {
    throw new UsageError(`--output: ${file} cannot be written (${reasonOf(error)}).`)
  }
  return {
    write(results) {
      try {
        writeFileSync(target, documentOf(results))
        if (target !== file) renameSync(target, file)
      } catch (error) {
        throw new EnvironmentProblem(
          `${file} could not be written: ${messageOf(error)}.`,
          'Name another file with --output.',
        )
      }
    },
    [Symbol.dispose]() {
      if (target !== file) rmSync(target, { force: true })
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

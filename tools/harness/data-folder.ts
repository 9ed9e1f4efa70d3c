/** What a program has written into its folder, and how it can be spoilt. */

import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Overwrites every file in this folder, and in folders below it, with as many bytes of plain text; lock files stay,
 * since they hold no data. Returns how many were overwritten.
 */
export function spoilFiles(folder: string): number {
  const files = dataFilesIn(folder)
  for (const file of files) {
    const length = Math.max(4096, statSync(file).size)
    writeFileSync(
      file,
      'These are not the bytes of a data base. '.repeat(Math.ceil(length / 40)).slice(0, length),
    )
  }
  return files.length
}

/** Puts a folder in the place of every file in this folder, but for lock files. Returns how many were replaced. */
export function replaceByFolders(folder: string): number {
  const files = dataFilesIn(folder)
  for (const file of files) {
    rmSync(file)
    mkdirSync(file)
  }
  return files.length
}

function dataFilesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && !/lock/i.test(entry.name))
      .map((entry) => join(entry.parentPath, entry.name))
  } catch {
    return []
  }
}

/** Reads and writes progress: one file a lesson, so that two checks at once in one clone lose nothing of each other's. */

import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Progress, noProgress } from './progress.ts'

export interface ProgressStore {
  read(slug: string): Progress
  /** Changes what is stored now, not what was read some time ago. */
  change(slug: string, change: (before: Progress) => Progress): Progress
}

/**
 * @param root the project
 * @param warn told in one line about a file that cannot be read or written; nothing is thrown for that
 */
export function progressStore(root: string, warn: (line: string) => void): ProgressStore {
  const folder = join(root, '.workshop', 'progress')
  let warned = false

  const read = (slug: string): Progress => {
    const path = join(folder, `${slug}.json`)
    const text = textOf(path)
    if (text === undefined) return noProgress(slug)
    const progress = parsed(text, slug)
    if (progress !== undefined) return progress
    warn(`The progress of ${slug} could not be read; ${setAside(path)}.`)
    return noProgress(slug)
  }

  const change = (slug: string, changed: (before: Progress) => Progress): Progress => {
    const progress = changed(read(slug))
    try {
      mkdirSync(folder, { recursive: true })
      writeAtomically(join(folder, `${slug}.json`), `${JSON.stringify(progress, undefined, 2)}\n`)
    } catch (error) {
      if (!warned)
        warn(`Your progress cannot be kept: ${error instanceof Error ? error.message : String(error)}.`)
      warned = true
    }
    return progress
  }

  return { read, change }
}

/** Whoever reads the file sees the old text or the new one, and after a crash it is one of the two. */
export function writeAtomically(path: string, text: string): void {
  const temporary = `${path}.${process.pid}.tmp`
  try {
    writeFileSync(temporary, text, { flush: true })
    renameSync(temporary, path)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

/** What cannot be read is kept, and is in nobody's way. @returns what became of it, in words */
export function setAside(path: string): string {
  const aside = `${path}.corrupt-${new Date().toISOString().replace(/[:.]/g, '-')}`
  try {
    renameSync(path, aside)
    return `it is kept as ${aside}`
  } catch {
    return `it stays as ${path}`
  }
}

function parsed(text: string, slug: string): Progress | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isProgress(value) ? { ...value, slug } : undefined
  } catch {
    return undefined
  }
}

function isProgress(value: unknown): value is Progress {
  if (typeof value !== 'object' || value === null) return false
  const { version, attempts, hints, last } = value as Record<string, unknown>
  if (version !== 1 || !Number.isInteger(attempts)) return false
  if (typeof hints !== 'object' || hints === null) return false
  if (!Object.values(hints).every((shown) => Number.isInteger(shown))) return false
  return last === undefined || (typeof last === 'object' && last !== null && 'verdict' in last)
}

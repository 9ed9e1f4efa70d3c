/** What a program's own files say: only for notes, which decide nothing. */

import { existsSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { Program } from './program.ts'

/** Whether its file, or one that this imports from beside it, names this word. */
export function mentions(program: Program, word: string): boolean {
  const { file } = program.identity
  const source = readFileSync(file, 'utf8')
  const beside = [...source.matchAll(/['"](\.{1,2}\/[^'"]+)['"]/g)].map(([, path = '']) =>
    resolve(dirname(file), path),
  )
  return [source, ...beside.filter((path) => existsSync(path)).map((path) => textOf(path))].some((text) =>
    text.includes(word),
  )
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return '' // a folder
  }
}

/** `npm run slides`: the lessons as slides, for those who teach them. */

import { existsSync, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { inProject, lessons as allLessons } from '../catalog.ts'
import { EnvironmentProblem } from '../harness/problems.ts'
import { decksOf } from '../slides/decks.ts'
import { type Page, pagesOf } from '../slides/document.ts'
import { readArguments } from './arguments.ts'
import type { Desk } from './desk.ts'
import { UsageError, endWell } from './endings.ts'

export function main(args: readonly string[]): Promise<number> {
  return endWell((desk) => slides(args, desk))
}

export async function slides(args: readonly string[], desk: Desk): Promise<number> {
  const { flags, values, operands } = await readArguments(args, { output: 'DIR', help: 'flag' })
  if (flags.help) {
    desk.stdout.write(help)
    return 0
  }
  if (operands[0] !== undefined) {
    throw new UsageError(
      `All lessons become slides, so there is nothing to choose: leave out ${operands[0]}.`,
    )
  }
  const folder = resolve(desk.root, values.output ?? join('.workshop', 'slides'))
  refuseWithoutTexts(desk.root)
  const decks = decksOf(desk.root)
  write(pagesOf(decks), folder)
  const count = decks.reduce((sum, deck) => sum + deck.slides.length, 0)
  const inside = inProject(folder, desk.root)
  desk.stdout.write(
    `${count} slides of ${decks.length} lessons. Open this in a browser (no network is needed; ? shows the keys):\n` +
      `${join(inside.startsWith('..') ? folder : inside, 'index.html')}\n`,
  )
  return 0
}

function refuseWithoutTexts(root: string): void {
  for (const { readme } of allLessons(root)) {
    if (existsSync(readme)) continue
    throw new UsageError(`${readme} is missing. Get it back with: git checkout -- ${readme}`)
  }
}

/** Each page is whole at every moment: somebody may be showing it. */
function write(pages: readonly Page[], folder: string): void {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() === false) {
    throw new UsageError(`--output: ${folder} is a file; name a folder.`)
  }
  try {
    mkdirSync(folder, { recursive: true })
    for (const { name, html } of pages) {
      const temporary = join(folder, `.${name}.${process.pid}.tmp`)
      try {
        writeFileSync(temporary, html)
        renameSync(temporary, join(folder, name))
      } finally {
        rmSync(temporary, { force: true })
      }
    }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new EnvironmentProblem(
      `The slides could not be written: ${why}.`,
      'Name another folder: npm run slides -- --output DIR',
    )
  }
}

const help = `The lessons as slides: a page for each lesson and an index, for any browser, without a network.

  npm run slides                      into .workshop/slides/
  npm run slides -- --output DIR      into another folder (relative to the project, or absolute)

Keys: arrows, space, Home, End; F full screen, S and N the speaker's notes, D dark or light, P print, ? all keys.
The slides are made from each lesson's README.md and from INSTRUCTOR.md: change those, and run it again.
`

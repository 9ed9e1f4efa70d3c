/** The folders agree: what a lesson is made of is there, and says what it has to. */

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { inProject, lessons, projectRoot, type Lesson } from '../catalog.ts'
import { programsIn } from './expectations.ts'
import type { Tally } from './tally.ts'

const LEAST_MISTAKES = 7
const LEAST_VARIANTS = 3

export function auditFolders(tally: Tally): void {
  const folders = (room: string): readonly string[] =>
    readdirSync(join(projectRoot, room))
      .filter((name) => /^\d\d-/.test(name))
      .sort()
  const slugs = folders('lessons')
  for (const room of ['solutions', 'checks']) {
    const same = JSON.stringify(folders(room)) === JSON.stringify(slugs)
    tally.add(
      `${room}/ has the folders that lessons/ has`,
      same ? undefined : `${folders(room).join(' ')} and ${slugs.join(' ')}`,
      0,
    )
  }
  tally.add('tools/README.md maps every file', problemWithMap(), 0)
  for (const lesson of lessons()) tally.add(`${lesson.slug} is complete`, problemWith(lesson), 0)
}

function problemWith(lesson: Lesson): string | undefined {
  const starter = join(lesson.checks, 'starter', 'server.ts')
  for (const file of [lesson.readme, lesson.hints, lesson.starter, lesson.solution, lesson.check, starter]) {
    if (!existsSync(file)) return `${inProject(file)} is missing`
  }
  if (!readFileSync(starter, 'utf8').includes('TODO')) return `${inProject(starter)} has no TODO`
  if (readFileSync(lesson.solution, 'utf8').includes('TODO'))
    return `${inProject(lesson.solution)} has a TODO`
  const mistakes = programsIn(join(lesson.checks, 'mistakes')).length
  if (mistakes < LEAST_MISTAKES) return `${mistakes} mistakes, and ${LEAST_MISTAKES} are due`
  const variants = programsIn(join(lesson.checks, 'variants')).length
  if (variants < LEAST_VARIANTS) return `${variants} variants, and ${LEAST_VARIANTS} are due`
  const given = readFileSync(lesson.starter, 'utf8') === readFileSync(starter, 'utf8')
  if (process.env.CI === 'true' && !given) {
    return `${inProject(lesson.starter)} is not what \`reset\` gives: copy it to ${inProject(starter)}`
  }
  return undefined
}

/** The maintainers' map names every file under tools/, tests and hostile programs apart. */
function problemWithMap(): string | undefined {
  const map = readFileSync(join(projectRoot, 'tools', 'README.md'), 'utf8')
  const files = readdirSync(join(projectRoot, 'tools'), { recursive: true, encoding: 'utf8' })
  const missing = files.filter(
    (file) =>
      /\.(ts|mjs)$/.test(file) &&
      !file.endsWith('.test.ts') &&
      !file.startsWith(join('audit', 'hostile', '')) &&
      !map.includes(`(${file})`),
  )
  return missing.length === 0 ? undefined : `it does not name ${missing.join(', ')}`
}

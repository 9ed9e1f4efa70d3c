/** `npm run mutants`: changes a solution by rule, in one place at a time, and lists what its checker lets pass. */

import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { structuredPatch } from 'diff'
import { inProject, lessons, projectRoot, type Lesson } from '../catalog.ts'
import { openGrader, type Grader } from '../harness/grading.ts'
import { drawLots } from '../harness/lot.ts'
import type { LessonResult } from '../harness/verdict.ts'
import { apply, kinds, mutationsOf, type Kind, type Mutation } from './mutants/mutate.ts'

const usage = `npm run mutants -- [--lesson N …] [--limit K] [--seed S] [--kind WORDS] [--at FILE:LINE] [--list]

--lesson N       of this lesson's solution (may be repeated; all unless told)
--limit K        so many of each lesson, drawn by lot (20)
--seed S         draws the same again
--kind WORDS     only those whose kind holds these words: ${kinds.join(', ')}
--at FILE:LINE   only those of this line, as it is told: server.ts:81
--list           tells what there is to draw from, and grades nothing`

/** A mutation in a file of a solution. */
interface Mutant extends Mutation {
  readonly lesson: Lesson
  /** Absolute: the file of the solution. */
  readonly file: string
  /** Of that file, as it is and as it would be. */
  readonly before: string
  readonly after: string
}

type Fate = 'caught' | 'survives' | 'inconclusive' | 'broken'

export async function main(args: readonly string[]): Promise<number> {
  const options = read(args)
  if (options === undefined) return 2
  const lot = drawLots(options.seed)
  const drawn = options.lessons.flatMap((lesson) => {
    const all = mutantsOf(lesson).filter(options.isWanted)
    // A lot of its own for each lesson: what is drawn of one does not depend on which others are asked for.
    return options.list
      ? all
      : drawLots(lot.seed + lesson.number)
          .shuffled(all)
          .slice(0, options.limit)
  })
  if (options.list) {
    for (const mutant of drawn) console.log(`${placeOf(mutant)}  ${mutant.what}`)
    console.log(`\n${drawn.length} in all`)
    return 0
  }
  for (const { slug } of options.lessons) rmSync(join(mutantsFolder, slug), { recursive: true, force: true })
  await using grader = await openGrader({ root: projectRoot })
  const fates: Fate[] = []
  for (const mutant of drawn) {
    const started = performance.now()
    const { fate, by } = await gradeMutant(grader, mutant)
    fates.push(fate)
    const seconds = ((performance.now() - started) / 1000).toFixed(1)
    const mark = { caught: '✓', survives: '✗', inconclusive: '?', broken: '!' }[fate]
    const how = by === undefined ? fate : `${fate} by “${by}”`
    console.log(
      `${mark} ${fates.length}/${drawn.length} ${placeOf(mutant)} ${mutant.what}: ${how}  ${seconds} s`,
    )
    if (fate !== 'caught') console.log(`${differenceOf(mutant)}\n    ${inProject(pathOf(mutant))}`)
  }
  const count = (fate: Fate): number => fates.filter((one) => one === fate).length
  console.log(
    `\n${drawn.length} mutants: ${count('caught')} caught, ${count('survives')} survive, ` +
      `${count('inconclusive')} inconclusive, ${count('broken')} broke the checker. --seed ${lot.seed} draws them again.`,
  )
  if (count('survives') > 0) console.log(whatToDo)
  return count('broken') === 0 ? 0 : 4
}

const whatToDo = `
One that survives may be as right as the solution: the contract leaves it open, or nothing depends on it. If it is
wrong by the contract, its program is a mistake that the checker has to catch: copy it to checks/NN-slug/mistakes/.`

const mutantsFolder = join(projectRoot, '.workshop', 'mutants')

function mutantsOf(lesson: Lesson): readonly Mutant[] {
  const folder = dirname(lesson.solution)
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  )
  return files.sort().flatMap((name) => {
    const file = join(folder, name)
    const before = readFileSync(file, 'utf8')
    return mutationsOf(before).map((mutation) => ({
      ...mutation,
      lesson,
      file,
      before,
      after: apply(before, mutation),
    }))
  })
}

/** Where its entry file lies: in a folder of its own, with the rest of the solution beside it. */
function pathOf({ lesson, file, line, start, end, what }: Mutant): string {
  const name = `${file.slice(dirname(lesson.solution).length + 1).replaceAll(/\W/g, '-')}-${line}-${start}-${end}-${what.replaceAll(' ', '-')}`
  return join(mutantsFolder, lesson.slug, name, 'server.ts')
}

/** Those that are caught go; the others stay, to be looked at and graded again. */
async function gradeMutant(
  grader: Grader,
  mutant: Mutant,
): Promise<{ readonly fate: Fate; readonly by?: string }> {
  const { lesson, file, after } = mutant
  const entry = pathOf(mutant)
  const folder = dirname(entry)
  mkdirSync(dirname(folder), { recursive: true })
  cpSync(dirname(lesson.solution), folder, { recursive: true })
  writeFileSync(join(folder, file.slice(dirname(lesson.solution).length + 1)), after)
  const { number, slug, check } = lesson
  let result: LessonResult | undefined
  for (let tries = 1; tries <= 2 && (result === undefined || result.verdict === 'inconclusive'); tries += 1) {
    const { lessons: graded } = await grader.grade([{ number, slug, check, file: entry }])
    result = graded[0]
  }
  if (result?.verdict === 'failed') {
    rmSync(folder, { recursive: true })
    const by = result.checks.find(({ verdict }) => verdict === 'failed')?.name
    return { fate: 'caught', ...(by !== undefined && { by }) }
  }
  if (result?.verdict === 'passed') return { fate: 'survives' }
  return { fate: result?.verdict === 'broken' ? 'broken' : 'inconclusive' }
}

function placeOf({ file, line }: Mutant): string {
  return `${inProject(file)}:${line}`
}

function differenceOf({ before, after }: Mutant): string {
  const { hunks } = structuredPatch('', '', before, after, '', '', { context: 2 })
  return hunks
    .flatMap(({ oldStart, lines }) => [`@@ ${oldStart}`, ...lines])
    .map((line) => `    ${line}`)
    .join('\n')
}

interface Options {
  readonly lessons: readonly Lesson[]
  readonly limit: number
  readonly seed: number
  readonly list: boolean
  readonly isWanted: (mutant: Mutant) => boolean
}

function read(args: readonly string[]): Options | undefined {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        lesson: { type: 'string', multiple: true },
        limit: { type: 'string', default: '20' },
        seed: { type: 'string' },
        kind: { type: 'string' },
        at: { type: 'string' },
        list: { type: 'boolean', default: false },
      },
    })
    const count = (text: string, name: string): number => {
      if (/^\d{1,9}$/.test(text)) return Number(text)
      throw new Error(`--${name} takes a whole number, not ${text}.`)
    }
    const known = lessons()
    const chosen = values.lesson?.map((number) => {
      const lesson = known.find((one) => String(one.number) === number)
      if (lesson === undefined) throw new Error(`There is no lesson ${number}.`)
      return lesson
    })
    const { kind, at } = values
    const isKind = (what: Kind): boolean => kind === undefined || what.includes(kind)
    if (!kinds.some(isKind)) throw new Error(`No kind of mutant has “${kind}” in its name.`)
    if (at !== undefined && !/.:\d+$/.test(at)) throw new Error(`--at takes FILE:LINE, not ${at}.`)
    return {
      lessons: chosen ?? known,
      limit: count(values.limit, 'limit'),
      seed: values.seed === undefined ? Math.floor(Math.random() * 1e6) : count(values.seed, 'seed'),
      list: values.list,
      isWanted: (mutant) => isKind(mutant.what) && (at === undefined || placeOf(mutant).endsWith(at)),
    }
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`)
    return undefined
  }
}

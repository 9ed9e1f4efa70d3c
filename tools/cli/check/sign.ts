/** Signs results off: with what they were made of, so that two of them can be compared. */

import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { cpus, release, type } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { inProject } from '../../catalog.ts'
import type { Subject } from '../../harness/grading.ts'
import type { LessonResult, Machine, Results } from '../../harness/verdict.ts'
import { sourcesIn } from '../../progress/fingerprint.ts'
import { outputOf } from '../doctor/command.ts'
import { bytesText } from '../doctor/finding.ts'
import { resources } from '../doctor/resources.ts'
import { wrap } from '../screen/fit.ts'
import type { Page } from '../screen/lines.ts'

export interface Signature {
  readonly machine: Machine
  readonly seed: number
  readonly commit: string | undefined
  /** By slug. */
  readonly lessons: ReadonlyMap<string, Pick<LessonResult, 'sources' | 'checker'>>
}

/** Taken before anything is graded: a file that is saved meanwhile was not what the grading began with. */
export async function signatureOf(
  subjects: readonly Subject[],
  { root, seed }: { readonly root: string; readonly seed: number },
): Promise<Signature> {
  const harness = await harnessOf(root)
  const lessons = subjects.map(async (subject) => {
    const sources = await hashesOf(await programOf(subject, root), root)
    const checker = digestOf(await hashesOf([...harness, subject.check], root))
    return [subject.slug, { sources, checker }] as const
  })
  return {
    machine: machineOf(),
    seed,
    commit: await commitOf(root),
    lessons: new Map(await Promise.all(lessons)),
  }
}

export function signed(results: Results, { machine, seed, commit, lessons }: Signature): Results {
  return {
    ...results,
    lessons: results.lessons.map((lesson) => ({ ...lesson, ...lessons.get(lesson.slug) })),
    seed,
    machine,
    ...(commit !== undefined && { commit }),
  }
}

/** What a person compares two results by, in a line or two. */
export function signatureLines(results: Results, { columns, paint }: Page): readonly string[] {
  return wrap(`Signed off: ${signatureTexts(results).join(' · ')}`, columns).map(paint.gray)
}

/** Its parts: when, by what, on what, and which file. */
export function signatureTexts(results: Results): readonly string[] {
  const { workshop, commit, node, platform, cores, machine, seed, startedAt, lessons } = results
  const [only] = lessons.length === 1 ? lessons : []
  const hash = only?.sources?.[only.file]
  return [
    `${startedAt.slice(0, 16).replace('T', ' ')} UTC`,
    `Every Core ${workshop}${commit === undefined ? '' : ` (${commit.slice(0, 8)})`}`,
    `Node ${node} on ${platform}`,
    machine === undefined ? `${cores} cores` : `${cores} × ${machine.cpu}, ${bytesText(machine.memoryBytes)}`,
    ...(seed === undefined ? [] : [`seed ${seed}`]),
    ...(hash === undefined ? [] : [`sha256 ${hash.slice(0, 12)}`]),
  ]
}

function machineOf(): Machine {
  const { installed, quota, memoryBytes } = resources()
  return {
    cpu: cpus()[0]?.model.replaceAll(/\s+/g, ' ').trim() || 'unknown',
    installed,
    ...(quota !== undefined && { quota }),
    memoryBytes,
    system: `${type()} ${release()}`,
  }
}

/** The files of the program: a lesson's all; of any other file, itself and what is in the folder of its name beside it. */
async function programOf({ file, slug }: Subject, root: string): Promise<readonly string[]> {
  const folder = dirname(file)
  if (['lessons', 'solutions'].some((room) => folder === join(root, room, slug)))
    return await sourcesIn(folder)
  const beside = file.replace(/\.[cm]?[jt]s$/, '')
  return beside !== file && existsSync(beside) ? [file, ...(await sourcesIn(beside))] : [file]
}

async function harnessOf(root: string): Promise<readonly string[]> {
  const folder = join(root, 'tools', 'harness')
  if (!existsSync(folder)) return []
  return (await sourcesIn(folder)).filter((path) => !path.endsWith('.test.ts'))
}

/** What cannot be read has no hash: the grading itself will say what is wrong with it. */
async function hashesOf(files: readonly string[], root: string): Promise<Readonly<Record<string, string>>> {
  const hashes = await Promise.all(
    files.map(async (file) => {
      const content = await readFile(file).catch(() => undefined)
      const name = relative(root, file).startsWith('..') ? file : inProject(file, root)
      return content === undefined ? [] : [[name, sha256(content)] as const]
    }),
  )
  return Object.fromEntries(hashes.flat())
}

function digestOf(hashes: Readonly<Record<string, string>>): string {
  return sha256(JSON.stringify(hashes))
}

function sha256(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}

async function commitOf(root: string): Promise<string | undefined> {
  if (!existsSync(join(root, '.git'))) return undefined
  return (await outputOf('git', ['-C', root, 'rev-parse', 'HEAD']))?.trim()
}

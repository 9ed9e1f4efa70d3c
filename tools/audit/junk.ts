/**
 * Programs that answer what no check expects: JSON of another kind, half of it, or none. Whatever they answer, it is
 * theirs to answer for: no check may break on it.
 */

import { mkdirSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { lessons, projectRoot, type Lesson } from '../catalog.ts'
import { openGrader } from '../harness/grading.ts'
import { checkNames } from './expectations.ts'
import type { Tally } from './tally.ts'

/** What takes the place of every JSON body. */
const bodies: Readonly<Record<string, string>> = {
  nothing: '',
  null: 'null',
  'an empty object': '{}',
  'a list of nothing': '[null]',
  'a list of objects': '[{}]',
  'a number': '42',
  half: '{"pid":',
}

/** Checks that measure pages, which are left as they are: they take long, and have nothing to break on. */
const MEASURED = /the workers share the load|one core fully|a page costs|keeps half the pace/

/** Every check by itself, on the solution with its JSON answers replaced. Takes some seconds a check. */
export async function auditJunk(tally: Tally, numbers?: readonly number[]): Promise<void> {
  await using grader = await openGrader({ root: projectRoot })
  const chosen = lessons().filter(({ number }) => numbers === undefined || numbers.includes(number))
  for (const lesson of chosen) {
    const names = checkNames(lesson).filter((name) => !MEASURED.test(name))
    for (const [index, name] of names.entries()) {
      // One kind for each check, another kind for the next.
      const kinds = Object.keys(bodies)
      const kind = kinds[(index + lesson.number) % kinds.length] ?? ''
      const file = junkProgram(lesson, kind)
      const { number, slug, check } = lesson
      const started = performance.now()
      const { lessons: graded } = await grader.grade([{ number, slug, check, file, only: name }])
      const broken = graded[0]?.checks.find(({ verdict }) => verdict === 'broken')
      tally.add(
        `junk     ${slug}, ${kind}: ${name}`,
        broken === undefined ? undefined : `it breaks the checker: ${JSON.stringify(broken)}`,
        performance.now() - started,
      )
    }
  }
}

/** @returns the path of a program that is the solution, but for what it answers */
function junkProgram({ slug, solution }: Lesson, kind: string): string {
  const folder = join(projectRoot, '.workshop', 'junk', slug, kind.replaceAll(' ', '-'))
  mkdirSync(folder, { recursive: true })
  const file = join(folder, 'server.ts')
  writeFileSync(file, textOf(bodies[kind] ?? '', relative(folder, solution)))
  return file
}

function textOf(body: string, solution: string): string {
  return `import http from 'node:http'

const { end } = http.ServerResponse.prototype
// @ts-expect-error: whatever it is called with
http.ServerResponse.prototype.end = function (chunk, ...rest) {
  const isJson = typeof chunk === 'string' && /^[[{]/.test(chunk)
  if (isJson && !this.headersSent) this.removeHeader('content-length')
  return end.call(this, isJson ? ${JSON.stringify(body)} : chunk, ...rest)
}

await import(${JSON.stringify(solution)})
`
}

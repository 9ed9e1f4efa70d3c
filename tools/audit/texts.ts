/** The texts hold: links and anchors resolve, every check has hints, and what a reader can run runs. */

import { existsSync, mkdtempSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import MarkdownIt from 'markdown-it'
import { inProject, lessons, projectRoot, type Lesson } from '../catalog.ts'
import { checkNames } from './expectations.ts'
import { anchorsOf } from '../reader/anchors.ts'
import { questionsOf } from '../reader/questions.ts'
import { hintsOf } from '../reader/hints.ts'
import { run } from './commands.ts'
import type { Tally } from './tally.ts'

const HINTS = 3
const SNIPPET_SECONDS = 20

/** @param numbers the lessons whose hints, sections and code blocks are looked at; all unless told */
export async function auditTexts(tally: Tally, numbers?: readonly number[]): Promise<void> {
  for (const file of markdownFiles()) tally.add(`links of ${inProject(file)}`, problemWithLinks(file), 0)
  for (const lesson of lessons()) {
    if (numbers !== undefined && !numbers.includes(lesson.number)) continue
    tally.add(`hints of ${lesson.slug}`, problemWithHints(lesson), 0)
    tally.add(`sections that messages of ${lesson.slug} point to`, problemWithSections(lesson), 0)
    tally.add(`questions to guess at of ${lesson.slug}`, problemWithQuestions(lesson), 0)
    await auditSnippets(tally, lesson)
  }
}

function markdownFiles(): readonly string[] {
  const top = readdirSync(projectRoot)
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(projectRoot, name))
  const tools = join(projectRoot, 'tools', 'README.md')
  const checks = ['README.md', 'COVERAGE.md'].map((name) => join(projectRoot, 'checks', name))
  const own = lessons().flatMap((lesson) => [lesson.readme, lesson.hints, join(lesson.checks, 'answers.md')])
  return [...top, tools, ...checks, ...own].filter((file) => existsSync(file))
}

function problemWithLinks(file: string): string | undefined {
  const problems: string[] = []
  for (const href of linksOf(readFileSync(file, 'utf8'))) {
    if (/^(https?|mailto):/.test(href)) continue
    const [path = '', anchor] = href.split('#')
    const target = path === '' ? file : join(dirname(file), decodeURIComponent(path))
    if (!existsSync(target)) problems.push(`${href}: there is no such file`)
    else if (anchor !== undefined && !anchorsOf(readFileSync(target, 'utf8')).includes(anchor))
      problems.push(`${href}: there is no such heading`)
  }
  return problems.length === 0 ? undefined : problems.join('\n')
}

function linksOf(markdown: string): readonly string[] {
  const tokens = new MarkdownIt().parse(markdown, {}).flatMap((token) => token.children ?? [])
  return tokens
    .flatMap((token) => [token.attrGet('href'), token.attrGet('src')])
    .filter((href) => typeof href === 'string')
}

function problemWithHints(lesson: Lesson): string | undefined {
  const hints = hintsOf(readFileSync(lesson.hints, 'utf8'))
  const names = checkNames(lesson)
  if (names.length === 0) return 'no check was found in check.ts'
  const without = names.filter((name) => (hints.get(name)?.length ?? 0) < HINTS)
  const stray = [...hints.keys()].filter((name) => !names.includes(name))
  const problems = [
    ...without.map((name) => `“${name}” has fewer than ${HINTS} hints`),
    ...stray.map((name) => `“${name}” is no check of this lesson`),
  ]
  return problems.length === 0 ? undefined : problems.join('\n')
}

function problemWithSections(lesson: Lesson): string | undefined {
  const anchors = anchorsOf(readFileSync(lesson.readme, 'utf8'))
  const source = readFileSync(lesson.check, 'utf8')
  const named = [...source.matchAll(/read(?::|\s*=)\s*'([^']+)'|program, (?:\[.*\], )?'([a-z]+-[a-z-]+)'\)/g)]
  const wanted = ['the-contract', ...named.map((match) => match[1] ?? match[2] ?? '')]
  const missing = wanted.filter((anchor) => !anchors.includes(anchor))
  return missing.length === 0 ? undefined : `no section ${[...new Set(missing)].join(', ')}`
}

/** Lessons may do without; those that ask, ask two or three things, and the README says where. */
function problemWithQuestions(lesson: Lesson): string | undefined {
  if (!existsSync(lesson.predict)) return undefined
  try {
    const { length } = questionsOf(readFileSync(lesson.predict, 'utf8'))
    if (length < 2 || length > 3) return `${length} questions, and two or three are wanted`
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
  const command = `npm run lesson ${lesson.number} predict`
  return readFileSync(lesson.readme, 'utf8').includes(command)
    ? undefined
    : `the README does not tell of ${command}`
}

/** Runs every block with the info string `js run`; where a `text` block that starts with `prints` follows, compares. */
async function auditSnippets(tally: Tally, lesson: Lesson): Promise<void> {
  const tokens = new MarkdownIt().parse(readFileSync(lesson.readme, 'utf8'), {})
  const fences = tokens.filter((token) => token.type === 'fence')
  mkdirSync(join(projectRoot, '.workshop'), { recursive: true })
  const folder = mkdtempSync(join(projectRoot, '.workshop', 'snippets-'))
  try {
    for (const [index, fence] of fences.entries()) {
      if (fence.info.trim() !== 'js run') continue
      const started = performance.now()
      const file = join(folder, `snippet-${index}.mjs`)
      writeFileSync(file, fence.content)
      const next = fences[index + 1]
      const printed =
        next?.info.trim() === 'text' && next.content.startsWith('prints') ? next.content : undefined
      const line = (fence.map?.[0] ?? 0) + 1
      tally.add(
        `snippet of ${lesson.slug}, line ${line}`,
        await problemWithSnippet(file, printed),
        performance.now() - started,
      )
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function problemWithSnippet(file: string, printed: string | undefined): Promise<string | undefined> {
  const { code, output, stdout } = await run('timeout', [`${SNIPPET_SECONDS}`, process.execPath, file])
  if (code !== 0) return `exit code ${code}\n${output}`
  if (printed === undefined) return undefined
  const wanted = printed.replace(/^prints:?\s*\n?/, '').trim()
  return stdout.trim() === wanted ? undefined : `the text says\n${wanted}\nand it printed\n${stdout}`
}

import { spawn } from 'node:child_process'
import {
  chmod,
  cp,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  rm,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { projectRoot } from '../catalog.ts'

/** The script of a class's grading, in a project with one lesson and an `npm` that ends as it is told. */
let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'every core '))
  const place = '.github/classroom'
  await cp(join(projectRoot, place), join(folder, 'workshop', place), { recursive: true })
  await write('workshop/lessons/03-basic-cluster/server.ts', 'starter')
  await write('workshop/checks/03-basic-cluster/check.ts', 'the check')
  await write(
    'bin/npm',
    '#!/bin/sh\necho "npm $*" >> "$LOG"\ncode=$(head -1 "$CODES")\nsed -i.old 1d "$CODES"\nexit $code\n',
  )
  await chmod(join(folder, 'bin/npm'), 0o755)
})
afterEach(() => rm(folder, { recursive: true, force: true }))

async function grade(
  codes: readonly number[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ readonly code: number | null; readonly output: string; readonly asked: readonly string[] }> {
  await write('codes', `${codes.join('\n')}\n`)
  await write('log', '')
  const child = spawn('bash', [join(folder, 'workshop/.github/classroom/grade.sh'), '3'], {
    cwd: folder,
    env: {
      PATH: `${join(folder, 'bin')}:${process.env['PATH']}`,
      CODES: join(folder, 'codes'),
      LOG: join(folder, 'log'),
      RESULTS: join(folder, 'results'),
      ...env,
    },
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString()
    })
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  const asked = (await readFile(join(folder, 'log'), 'utf8')).trim().split('\n')
  return { code, output, asked }
}

test('a pass and a fail are told as they are, with results for people and for programs', async () => {
  const passed = await grade([0], { GITHUB_STEP_SUMMARY: '/tmp/a summary.md' })
  expect(passed.code).toBe(0)
  expect(passed.asked).toEqual([
    `npm run check 3 -- --output ${folder}/results/results.json --junit ${folder}/results/junit.xml --markdown /tmp/a summary.md`,
  ])
  expect(await grade([1])).toMatchObject({ code: 1, output: '' })
})

test('the timelines of this grading are kept with its results, and none of another', async () => {
  await write('workshop/.workshop/timelines/02-two-roles.md', 'another grading')
  await utimes(join(folder, 'workshop/.workshop/timelines/02-two-roles.md'), 0, 0)
  await write('bin/npm', '#!/bin/sh\necho now > .workshop/timelines/03-basic-cluster.md\nexit 1\n')
  await chmod(join(folder, 'bin/npm'), 0o755)
  await grade([])
  expect(await readdir(join(folder, 'results'))).toEqual(['03-basic-cluster.md'])
})

test('an inconclusive grading is made once more, and is no fail', async () => {
  const mended = await grade([3, 0])
  expect([mended.code, mended.asked.length]).toEqual([0, 2])
  const worse = await grade([3, 1])
  expect([worse.code, worse.asked.length]).toEqual([1, 2])
  const still = await grade([3, 3])
  expect([still.code, still.asked.length]).toEqual([0, 2])
  expect(still.output).toContain('::warning title=Inconclusive::')
})

test.each([2, 4])('exit code %i says nothing about the program, and says so', async (code) => {
  const ended = await grade([code])
  expect(ended.code).toBe(code)
  expect(ended.output).toMatch(/::error title=Not graded::.* not the program/)
})

test('of a submission only the programs of lessons are taken', async () => {
  await write('submission/lessons/03-basic-cluster/server.ts', 'mine')
  await write('submission/lessons/03-basic-cluster/own part/worker.mjs', 'mine too')
  await write('submission/lessons/03-basic-cluster/README.md', 'not a program')
  await write('submission/lessons/99-not-here/server.ts', 'no lesson')
  await write('submission/checks/03-basic-cluster/check.ts', 'all pass')
  await symlink('/etc/hostname', join(folder, 'submission/lessons/03-basic-cluster/link.ts'))
  await grade([0], { SUBMISSION: 'submission' })
  const lessons = join(folder, 'workshop/lessons')
  expect(await readdir(lessons)).toEqual(['03-basic-cluster'])
  expect((await readdir(lessons, { recursive: true })).sort()).toEqual([
    '03-basic-cluster',
    '03-basic-cluster/own part',
    '03-basic-cluster/own part/worker.mjs',
    '03-basic-cluster/server.ts',
  ])
  expect(await readFile(join(lessons, '03-basic-cluster/server.ts'), 'utf8')).toBe('mine')
  expect(await readFile(join(folder, 'workshop/checks/03-basic-cluster/check.ts'), 'utf8')).toBe('the check')
})

test('a submission that is not there is told, and nothing is graded', async () => {
  const ended = await grade([0], { SUBMISSION: 'nowhere' })
  expect([ended.code, ended.asked]).toEqual([2, ['']])
  expect(ended.output).toContain('nowhere')
})

async function write(path: string, text: string): Promise<void> {
  const file = join(folder, path)
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, text)
}

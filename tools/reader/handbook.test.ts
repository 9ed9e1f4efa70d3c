import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { countWords, renderHandbook } from '#handbook'
import GithubSlugger from 'github-slugger'
import { describe, expect, test } from 'vitest'
import { anchorOf } from '../../lessons/handbook/markdown.ts'
import { pageOf } from '../../lessons/handbook/page.ts'
import { projectRoot } from '../catalog.ts'

const two = {
  slug: '02-two-roles',
  number: 2,
  markdown: `# 2 · Two roles

"Quoted", and **round robin**, see [the next](../03-basic-cluster/README.md#your-task).

## Your task

Edit [the starter](server.ts), read [Node](https://nodejs.org/), or go [up](#your-task).

\`\`\`ts
cluster.fork() // "why"
\`\`\`
`,
}

const three = {
  slug: '03-basic-cluster',
  number: 3,
  markdown: '# 3 · A *basic* cluster\n\n## Your task\n\nUse `cluster.fork()`; round robin is the default.\n',
}

describe('the page', () => {
  const page = pageOf([two, three], 'Ada')

  test('holds each lesson with its sections, under anchors of their own', () => {
    expect(page).toContain('<h2 id="lesson-2">Two roles</h2>')
    expect(page).toContain('<h2 id="lesson-3">A <em>basic</em> cluster</h2>')
    expect(page).toContain('<h3 id="2-your-task">Your task</h3>')
    expect(page).toContain('<h3 id="3-your-task">Your task</h3>')
  })

  test('has a place for every link inside it, and each only once', () => {
    const ids = [...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id)
    expect(new Set(ids).size).toBe(ids.length)
    for (const [, target] of page.matchAll(/href="#([^"]*)"/g)) expect(ids).toContain(target)
  })

  test('turns links between lessons inwards, and links no file that the server does not have', () => {
    expect(page).toContain('<a href="#3-your-task">the next</a>')
    expect(page).toContain('<a href="#2-your-task">up</a>')
    expect(page).toContain('<a href="https://nodejs.org/">Node</a>')
    expect(page).toContain('<span class="file" title="lessons/02-two-roles/server.ts">the starter</span>')
  })

  test('leads a link to a lesson that is not there nowhere, instead of astray', () => {
    expect(pageOf([two], 'Ada')).toContain(
      'title="lessons/03-basic-cluster/README.md#your-task">the next</span>',
    )
  })

  test('lists names and terms with the sections that speak of them', () => {
    expect(page).toContain(
      '<li><code>cluster.fork()</code> <a href="#2-your-task">2.1</a>, <a href="#3-your-task">3.1</a></li>',
    )
    expect(page).toContain('<li>round robin <a href="#lesson-2">2</a>, <a href="#3-your-task">3.1</a></li>')
  })

  test('asks for nothing from elsewhere', () => {
    expect(page).not.toMatch(/<link (?!rel="icon" href="data:,")|<img|\bsrc=|url\(|@import/)
  })

  test('sets an empty lesson as an empty chapter', () => {
    expect(pageOf([{ ...two, markdown: '' }], 'Ada')).toContain('<h2 id="lesson-2">two roles</h2>')
  })
})

describe('the visitor', () => {
  test('is named in the title, on the cover, in every lesson and at the end', () => {
    expect(pageOf([two, three], 'Ada').split('Ada').length - 1).toBe(5)
  })

  test('cannot put markup into the page', () => {
    const page = renderHandbook(`</title><script>alert("1")</script>&'`)
    expect(page).not.toContain('<script>alert')
    expect(page).toContain('&lt;/title&gt;&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#39;')
  })

  test('changes more of the page than a name', () => {
    const anonymous = (name: string): string => renderHandbook(name).replaceAll(name, '')
    expect(anonymous('Ada')).not.toBe(anonymous('Grace'))
  })

  test.each(['', ' ', '\u0000', '🚀', '\ud800', 'ﷺ', '$&', '$1', '%', 'x'.repeat(100_000)])(
    'may be called %j',
    (name) => {
      expect(renderHandbook(name)).toBe(renderHandbook(name))
      expect(renderHandbook(name)).toMatch(/^<!doctype html>[^]*<\/html>\n$/)
    },
  )
})

test('CommonJS and ES modules get the same bytes, in other processes and other languages', () => {
  // Inside the project, or '#handbook' would have no meaning.
  mkdirSync(join(projectRoot, '.workshop'), { recursive: true })
  const folder = mkdtempSync(join(projectRoot, '.workshop/handbook-'))
  try {
    writeFileSync(
      join(folder, 'one.cjs'),
      `process.stdout.write(require('#handbook').renderHandbook('Zoë & Ada'))`,
    )
    writeFileSync(
      join(folder, 'two.mjs'),
      `process.stdout.write((await import('#handbook')).renderHandbook('Zoë & Ada'))`,
    )
    const run = (file: string, env: NodeJS.ProcessEnv): string =>
      execFileSync(process.execPath, ['--import', 'tsx', join(folder, file)], {
        cwd: projectRoot,
        encoding: 'utf8',
        env: { ...process.env, ...env },
      })
    expect(run('one.cjs', { LC_ALL: 'tr_TR.UTF-8', TZ: 'Asia/Tokyo' })).toBe(renderHandbook('Zoë & Ada'))
    expect(run('two.mjs', { LC_ALL: 'C', TZ: 'UTC' })).toBe(renderHandbook('Zoë & Ada'))
  } finally {
    rmSync(folder, { recursive: true })
  }
}, 20_000)

test("the handbook's anchors are GitHub's", () => {
  const headings = [
    'Your task',
    'Your task',
    'Your task-1',
    '3 · A basic cluster',
    "Don't: `fork()`?",
    'a_b – c—d',
    'Ümläut ß',
    'İ',
    '🚀 go',
  ]
  headings.push('', '集群', 'e\u0301', '½ of it', 'x  y', '//', 'Ⅳ', 'Your task')
  const slugger = new GithubSlugger()
  const taken = new Map<string, number>()
  expect(headings.map((heading) => anchorOf(heading, taken))).toEqual(
    headings.map((heading) => slugger.slug(heading)),
  )
})

describe('words', () => {
  test.each([
    ['', 0],
    ['one two  three', 3],
    ['<b>w</b>ord', 1],
    ['<p>one</p><p>two</p>', 2],
    ['a – b', 2],
    ['npm run check -- --json', 4],
    ['<code>cluster.<span class="h">fork</span>()</code>', 1],
    ['<title>no</title><head><title>no</title></head><script>no</script><style>no</style><!-- no -->yes', 2],
    ['a &amp; b&nbsp;c &lt;d&gt;', 4],
    ['<a title="no no">yes</a>', 1],
    ['– &quot; … 集群', 1],
  ])('%j has %i', (html, words) => {
    expect(countWords(html)).toBe(words)
  })
})

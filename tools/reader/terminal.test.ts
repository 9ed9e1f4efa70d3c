import { stripVTControlCharacters } from 'node:util'
import stringWidth from 'string-width'
import { describe, expect, test } from 'vitest'
import { renderMarkdown } from './terminal.ts'

const sample = `# 3 · A basic cluster

A **worker** *listens*, or it is of no use: \`cluster.fork()\` alone does not tell you that.

## Your task

- Count the cores
  - with \`availableParallelism()\`
- Fork

1. One
2. Two
`

describe('plain text', () => {
  test('shows titles, wrapped paragraphs and nested lists', () => {
    expect(renderMarkdown(sample, { columns: 40, colour: false })).toBe(`3 · A basic cluster
═══════════════════

A worker listens, or it is of no use:
\`cluster.fork()\` alone does not tell you
that.

Your task
─────────

• Count the cores
  • with \`availableParallelism()\`
• Fork

1. One
2. Two
`)
  })

  test('has no escape sequence, not even one that the text itself holds', () => {
    const text = `${sample}\n\u001b[31mred\u001b[39m\n\n\`\`\`ts\nconst a = 'b'\n\`\`\`\n`
    const plain = renderMarkdown(text, { columns: 80, colour: false })
    expect(plain).toBe(stripVTControlCharacters(plain))
    expect(plain).toContain('red')
  })

  test('keeps the lines of code, with a bar, and those of a diagram, without', () => {
    const long = `const workers = ${'1 + '.repeat(30)}1`
    const text = `Before\n\n\`\`\`ts\n${long}\n\`\`\`\n\n\`\`\`text\n┌───┐\n│ 1 │ ──▶\n└───┘\n\`\`\`\n`
    expect(renderMarkdown(text, { columns: 40, colour: false })).toBe(`Before

▏ ${long}

┌───┐
│ 1 │ ──▶
└───┘
`)
  })

  test('gives an ordered list its own numbers and room for the longest', () => {
    expect(renderMarkdown('9. nine\n10. ten\n\n    and more\n', { columns: 40, colour: false }))
      .toBe(` 9. nine

10. ten

    and more
`)
  })

  test('puts code in a list under its item', () => {
    expect(renderMarkdown('- Fork:\n  ```ts\n  fork()\n  ```\n- Listen\n', { columns: 40, colour: false }))
      .toBe(`• Fork:

  ▏ fork()
• Listen
`)
  })

  test('shows an address after its text, a relative one from the project, one inside the text not at all', () => {
    const text =
      '[Node](https://nodejs.org/), [two](../02-two-roles/README.md), [below](#below), [`server.ts`](server.ts)'
    const shown = renderMarkdown(text, { columns: 100, colour: false, folder: 'lessons/03-basic-cluster' })
    expect(shown).toBe(
      'Node (https://nodejs.org/), two (lessons/02-two-roles/README.md), below, `server.ts`\n',
    )
    expect(renderMarkdown('[two](../a.md)', { columns: 100, colour: false })).toBe('two (../a.md)\n')
  })

  test('does not break short code, and breaks what is wider than the line', () => {
    const text = 'Now start it with `npm run lesson 3` and look.'
    expect(renderMarkdown(text, { columns: 30, colour: false })).toBe(
      'Now start it with\n`npm run lesson 3` and look.\n',
    )
    expect(renderMarkdown('x'.repeat(50), { columns: 20, colour: false })).toBe(
      `${'x'.repeat(20)}\n${'x'.repeat(20)}\n${'x'.repeat(10)}\n`,
    )
  })

  test('sets a quotation beside a bar', () => {
    expect(renderMarkdown('> Predict first.\n>\n> Then measure.', { columns: 40, colour: false })).toBe(
      '│ Predict first.\n│\n│ Then measure.\n',
    )
  })

  test('is never wider than 100 columns', () => {
    const lines = renderMarkdown('word '.repeat(100), { columns: 300, colour: false }).split('\n')
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(100)
  })
})

describe('tables', () => {
  const table = `| route | answers | status |
| --- | :---: | ---: |
| \`/\` | \`{ pid }\` of the worker that has the connection | 200 |
| else | nothing | 404 |
`

  test('are as wide as their cells where there is room', () => {
    expect(renderMarkdown(table, { columns: 100, colour: false }))
      .toBe(`route                      answers                      status
─────  ───────────────────────────────────────────────  ──────
\`/\`    \`{ pid }\` of the worker that has the connection     200
else                       nothing                         404
`)
  })

  test('wrap their cells where there is not, with a rule between the rows', () => {
    expect(renderMarkdown(table, { columns: 40, colour: false }))
      .toBe(`route           answers           status
─────  ─────────────────────────  ──────
\`/\`     \`{ pid }\` of the worker      200
        that has the connection
─────  ─────────────────────────  ──────
else            nothing              404
`)
  })

  test('stay within the width with wide characters and colours', () => {
    const text = `| a | b |\n| - | - |\n| 集群集群集群集群集群 | **bold ${'word '.repeat(20)}** |\n`
    const lines = renderMarkdown(text, { columns: 40, colour: true }).split('\n')
    expect(Math.max(...lines.map((line) => stringWidth(line)))).toBe(40)
  })
})

describe('colours', () => {
  test('paint the same text', () => {
    const code = '```ts\n// TODO: why?\nconst a = `x ${b}`\n```\n'
    const painted = renderMarkdown(code, { columns: 80, colour: true })
    expect(stripVTControlCharacters(painted)).toBe(renderMarkdown(code, { columns: 80, colour: false }))
    expect(painted).toContain('\u001b[35mconst\u001b[39m')
    expect(painted).toContain('\u001b[1mTODO:\u001b[22m')
  })

  test('end at the end of every line', () => {
    const text = `**${'strong '.repeat(40)}** and *${'leaning '.repeat(40)}*\n\n\`\`\`ts\n/*\n two\n*/\n\`\`\`\n`
    for (const line of renderMarkdown(text, { columns: 40, colour: true }).split('\n')) {
      expect(openedIn(line)).toEqual([])
    }
  })
})

/** The styles that a line opens and does not close. */
function openedIn(line: string): readonly string[] {
  const closing: Readonly<Record<string, string>> = { '22': '1', '23': '3', '39': 'colour' }
  const open = new Set<string>()
  // oxlint-disable-next-line no-control-regex -- escape sequences are what is looked for
  for (const [, code = ''] of line.matchAll(/\u001b\[(\d+)m/g)) {
    const closed = closing[code]
    if (closed === undefined) open.add(code === '1' || code === '3' ? code : 'colour')
    else open.delete(closed)
  }
  return [...open]
}

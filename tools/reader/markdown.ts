/** A lesson's Markdown as markdown-it reads it, and as a tree. */

// The bundle for browsers is one file and loads in a quarter of the time.
import createMarkdown, { type Env, type Token } from 'markdown-it/browser'

export type { Token }

/** A block with what it holds: the tokens between an opening and its closing one. */
export interface Block {
  readonly token: Token
  readonly blocks: readonly Block[]
}

export interface Heading {
  /** 1 to 6. */
  readonly level: number
  /** What a reader reads of it, without markup. */
  readonly text: string
  /** The line it starts in, from 0. */
  readonly line: number
  /** Whether it stands by itself, not in a list or a quotation. */
  readonly isTop: boolean
}

export function tokensOf(markdown: string): readonly Token[] {
  return parser.parse(markdown, {})
}

/** The lines `[label]: address` of a text, which its sections need when they stand alone. */
export function definitionsOf(markdown: string): readonly string[] {
  const env: Env = {}
  parser.parse(markdown, env)
  return Object.entries(env.references ?? {}).map(([label, { href }]) => `[${label}]: <${href}>`)
}

export function headingsOf(tokens: readonly Token[]): readonly Heading[] {
  return tokens.flatMap((token, index) => {
    const inline = tokens[index + 1]
    if (token.type !== 'heading_open' || !inline) return []
    const level = Number(token.tag.slice(1))
    return [{ level, text: plainText(inline), line: token.map?.[0] ?? 0, isTop: token.level === 0 }]
  })
}

export function plainText(inline: Token): string {
  return (inline.children ?? [])
    .filter(({ type }) => type === 'text' || type === 'code_inline')
    .map(({ content }) => content)
    .join('')
}

export function treeOf(tokens: readonly Token[]): readonly Block[] {
  const root: Block[] = []
  const open: Block[][] = [root]
  for (const token of tokens) {
    if (token.nesting < 0) {
      open.pop()
      continue
    }
    const blocks: Block[] = []
    open.at(-1)?.push({ token, blocks })
    if (token.nesting > 0) open.push(blocks)
  }
  return root
}

const parser = createMarkdown()

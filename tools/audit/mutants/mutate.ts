/** Small changes to a program, made by rule: each is a mistake that somebody could have made. */

import { parseAst } from 'vitest/node'

export interface Mutation {
  /** What was done, in a few words: “drops a listener”. */
  readonly what: Kind
  /** From 1. */
  readonly line: number
  /** The part of the text that is replaced. */
  readonly start: number
  readonly end: number
  readonly by: string
}

export const kinds = [
  'drops a listener',
  'leaves out a clean-up',
  'drops a call',
  'drops an assignment',
  'drops a guard',
  'turns a condition round',
  'turns and into or',
  'changes a comparison',
  'changes a number',
  'turns true into false',
  'removes an await',
] as const
export type Kind = (typeof kinds)[number]

/**
 * All mutations of one TypeScript file, in the order of their places. Each, applied alone, gives a text that parses;
 * types are not looked at, since nothing looks at them when a program is run.
 */
export function mutationsOf(text: string): readonly Mutation[] {
  const found: Mutation[] = []
  const add = (what: Kind, { start, end }: Span, by: string): void => {
    if (text.slice(start, end) !== by) found.push({ what, line: lineAt(text, start), start, end, by })
  }
  visit(parseAst(text, { lang: 'ts' }) as unknown as Node, [], (node, parents) => {
    mutate(node, parents, text, add)
  })
  return found
    .filter((mutation) => parses(apply(text, mutation)))
    .sort((one, other) => one.start - other.start || one.end - other.end || (one.by < other.by ? -1 : 1))
}

export function apply(text: string, { start, end, by }: Mutation): string {
  return text.slice(0, start) + by + text.slice(end)
}

interface Span {
  readonly start: number
  readonly end: number
}

/** ESTree, as far as it matters here. */
interface Node extends Span {
  readonly type: string
  readonly [part: string]: unknown
}

type Add = (what: Kind, where: Span, by: string) => void

function mutate(node: Node, parents: readonly Node[], text: string, add: Add): void {
  const part = (of: unknown): string => {
    const { start, end } = of as Span
    return text.slice(start, end)
  }
  switch (node.type) {
    case 'ExpressionStatement': {
      const call = calledIn(node.expression as Node)
      if (call !== undefined) add(kindOfCall(call, part), node, ';')
      else if (['AssignmentExpression', 'UpdateExpression'].includes((node.expression as Node).type))
        add('drops an assignment', node, ';')
      break
    }
    case 'ArrowFunctionExpression': {
      // `() => clearTimeout(timer)`: the call is all that it is there for.
      const call = calledIn(node.body as Node)
      if (call !== undefined && isHandler(parents.at(-1)))
        add(kindOfCall(call, part), node.body as Node, 'undefined')
      break
    }
    case 'IfStatement':
      if (node.alternate === null && isExit(node.consequent as Node)) add('drops a guard', node, ';')
      add('turns a condition round', node.test as Node, `!(${part(node.test)})`)
      break
    case 'WhileStatement':
    case 'ConditionalExpression':
      add('turns a condition round', node.test as Node, `!(${part(node.test)})`)
      break
    case 'LogicalExpression': {
      const by = ({ '&&': '||', '||': '&&' } as Partial<Record<string, string>>)[node.operator as string]
      if (by !== undefined) add('turns and into or', node, `(${part(node.left)} ${by} ${part(node.right)})`)
      break
    }
    case 'BinaryExpression': {
      const by = comparisons[node.operator as string]
      // As a whole condition it is turned round already.
      const isTest = parents.at(-1)?.test === node && by?.endsWith('==') === true
      if (by !== undefined && !isTest)
        add('changes a comparison', node, `${part(node.left)} ${by} ${part(node.right)}`)
      break
    }
    case 'Literal':
      if (typeof node.value === 'number') add('changes a number', node, otherNumber(node.value))
      if (typeof node.value === 'boolean') add('turns true into false', node, String(!node.value))
      break
    case 'AwaitExpression':
      add('removes an await', node, part(node.argument))
      break
    case 'TryStatement':
      if (node.finalizer !== null) add('leaves out a clean-up', node.finalizer as Node, '{}')
      break
    default:
  }
}

const comparisons: Partial<Record<string, string>> = {
  '===': '!==',
  '!==': '===',
  '<': '<=',
  '<=': '<',
  '>': '>=',
  '>=': '>',
}

/** A count is one more; a time or a size, ten times as much. */
function otherNumber(value: number): string {
  return String(value >= 1000 ? value * 10 : value + 1)
}

/** The call of a statement that is nothing but a call, awaited or not. */
function calledIn(expression: Node): Node | undefined {
  if (expression.type === 'CallExpression') return expression
  const wrapped = ['AwaitExpression', 'UnaryExpression'].includes(expression.type)
  if (wrapped) return calledIn(expression.argument as Node)
  return expression.type === 'ChainExpression' ? calledIn(expression.expression as Node) : undefined
}

const LISTENS = /^(on|once|addListener|addEventListener|prependListener|prependOnceListener)$/
const CLEANS =
  /^(clear\w*|close\w*|destroy\w*|kill|off|remove\w*|delete|unref|disconnect|abort|cancel\w*|release|dispose|hush)$/

function kindOfCall(call: Node, part: (of: unknown) => string): Kind {
  const callee = call.callee as Node
  const name = callee.type === 'MemberExpression' ? part(callee.property) : part(callee)
  if (LISTENS.test(name)) return 'drops a listener'
  return CLEANS.test(name) ? 'leaves out a clean-up' : 'drops a call'
}

/** Whether a function that stands there is called for what it does, not for what it returns. */
function isHandler(parent: Node | undefined): boolean {
  return parent?.type === 'CallExpression' || parent?.type === 'NewExpression'
}

function isExit(statement: Node): boolean {
  const only = statement.type === 'BlockStatement' ? (statement.body as Node[]).at(-1) : statement
  return /^(Return|Continue|Break|Throw)Statement$/.test(only?.type ?? '')
}

/** Types hold no program, and what is imported is no part of this one. */
const LEFT_OUT = /^(TS(?!AsExpression|NonNullExpression|SatisfiesExpression)|Import|ExportAll)/

function visit(
  node: Node,
  parents: readonly Node[],
  see: (node: Node, parents: readonly Node[]) => void,
): void {
  if (LEFT_OUT.test(node.type)) return
  see(node, parents)
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? (value as unknown[]) : [value]) {
      if (isNode(child)) visit(child, [...parents, node], see)
    }
  }
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && typeof (value as Partial<Node>).type === 'string'
}

function parses(text: string): boolean {
  try {
    parseAst(text, { lang: 'ts' })
    return true
  } catch {
    return false
  }
}

function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length
}

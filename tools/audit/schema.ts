/** The schema of the results, written out: every field that `--json` promises, and no other. */

type Kind = 'string' | 'number' | ((value: unknown, path: string) => string | undefined)
type Fields = Readonly<Record<string, Kind>>

const verdicts = ['passed', 'failed', 'inconclusive', 'broken']

const throughput = object(
  Object.fromEntries(
    [
      'one',
      'ideal',
      'yours',
      'share',
      'low',
      'high',
      'threshold',
      'parallel',
      'efficiency',
      'rounds',
      'workers',
      'accounted',
    ].map((name) => [name, 'number' as const]),
  ),
)

const check = object(
  { name: 'string', verdict: oneOf([...verdicts, 'skipped']), durationMs: 'number' },
  { expected: 'string', got: 'string', likely: 'string', read: 'string', repeat: 'string', note: 'string' },
)

const lesson = object(
  {
    number: 'number',
    slug: 'string',
    file: 'string',
    verdict: oneOf(verdicts),
    durationMs: 'number',
    firstResultMs: 'number',
    checks: arrayOf(check),
  },
  { throughput, sources: mapOf(sha256), checker: sha256 },
)

const machine = object(
  { cpu: 'string', installed: 'number', memoryBytes: 'number', system: 'string' },
  { quota: 'number' },
)

const results = object(
  {
    workshop: 'string',
    node: 'string',
    platform: 'string',
    cores: 'number',
    startedAt: 'string',
    durationMs: 'number',
    lessons: arrayOf(lesson),
    passed: 'number',
    failed: 'number',
    inconclusive: 'number',
    broken: 'number',
  },
  { seed: 'number', machine, commit: 'string' },
)

/** What of this document is not as promised, if anything. */
export function problemWithResults(document: unknown): string | undefined {
  return results(document, 'results')
}

function object(required: Fields, optional: Fields = {}) {
  return (value: unknown, path: string): string | undefined => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return `${path} is no object`
    const fields = value as Readonly<Record<string, unknown>>
    for (const name of Object.keys(required)) if (!(name in fields)) return `${path}.${name} is missing`
    for (const [name, field] of Object.entries(fields)) {
      const kind = required[name] ?? optional[name]
      if (kind === undefined) return `${path}.${name} is not in the schema`
      const problem = problemWithKind(kind, field, `${path}.${name}`)
      if (problem !== undefined) return problem
    }
    return undefined
  }
}

function problemWithKind(kind: Kind, value: unknown, path: string): string | undefined {
  if (typeof kind === 'function') return kind(value, path)
  return typeof value === kind ? undefined : `${path} is ${JSON.stringify(value)}, not a ${kind}`
}

function arrayOf(item: (value: unknown, path: string) => string | undefined) {
  return (value: unknown, path: string): string | undefined => {
    if (!Array.isArray(value)) return `${path} is no array`
    return value.map((one, index) => item(one, `${path}[${index}]`)).find((problem) => problem !== undefined)
  }
}

function mapOf(item: (value: unknown, path: string) => string | undefined) {
  return (value: unknown, path: string): string | undefined => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return `${path} is no object`
    return Object.entries(value)
      .map(([name, one]) => item(one, `${path}[${name}]`))
      .find((problem) => problem !== undefined)
  }
}

function sha256(value: unknown, path: string): string | undefined {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)
    ? undefined
    : `${path} is ${JSON.stringify(value)}, no SHA-256`
}

function oneOf(values: readonly string[]) {
  return (value: unknown, path: string): string | undefined =>
    typeof value === 'string' && values.includes(value) ? undefined : `${path} is ${JSON.stringify(value)}`
}

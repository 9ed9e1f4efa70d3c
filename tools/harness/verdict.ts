/**
 * What a check may say, and the one schema of results that the terminal, `--json`, JUnit and the progress share.
 * All durations are milliseconds, all rates requests per second, all shares plain ratios (1 = the reference cluster).
 */

export type Verdict = 'passed' | 'failed' | 'inconclusive' | 'broken'

export type CheckVerdict = Verdict | 'skipped'

/** One claim about a program and what became of it. Texts are plain, without colour. */
export interface CheckResult {
  readonly name: string
  readonly verdict: CheckVerdict
  readonly durationMs: number
  /** What the contract asks for. */
  readonly expected?: string
  /** What the program did. */
  readonly got?: string
  /** What this usually means. */
  readonly likely?: string
  /** Where to read, relative to the project: `lessons/…/README.md#anchor`. */
  readonly read?: string
  /** A shell command that shows it again. */
  readonly repeat?: string
  /** Something worth telling that decides nothing, or why nothing can be said (`inconclusive`, `broken`). */
  readonly note?: string
}

/** The throughput claim of one lesson: the learner's program between the reference as one process and as a cluster. */
export interface Throughput {
  /** Requests per second of the reference as a single process, by the clock on the wall. */
  readonly one: number
  /** Requests per second of the reference as a cluster of the same size. */
  readonly ideal: number
  /** Requests per second of the learner's program. */
  readonly yours: number
  /** (yours − one) / (ideal − one). */
  readonly share: number
  /** The interval that the verdict rests on; see `share.ts` for the estimator. */
  readonly low: number
  readonly high: number
  /** The share that the lesson asks for. */
  readonly threshold: number
  /** How many processes truly carried the load: Σ cpu / max cpu. */
  readonly parallel: number
  /** What a request costs in CPU time, against the reference's: 1 = the same, 0.5 = twice as dear. */
  readonly efficiency: number
  readonly rounds: number
  readonly workers: number
  /** The share without what other programs took of the cores: the estimate inside [low, high]. */
  readonly accounted: number
}

export interface LessonResult {
  readonly number: number
  readonly slug: string
  /** The file that was graded, relative to the project. */
  readonly file: string
  readonly verdict: Verdict
  readonly durationMs: number
  /** From the start of this lesson's grading to its first finished check. */
  readonly firstResultMs: number
  readonly checks: readonly CheckResult[]
  readonly throughput?: Throughput
  /** What was graded: each file of the program as it was when the grading began, with the SHA-256 of its content. */
  readonly sources?: Readonly<Record<string, string>>
  /** What it was graded by: the SHA-256 of the lesson's check and the harness, so that two verdicts can be compared. */
  readonly checker?: string
}

/** The machine that a result is from. */
export interface Machine {
  /** The model of its first core, as the system names it. */
  readonly cpu: string
  /** Cores of the machine; `cores` beside it are those that the run was allowed to use. */
  readonly installed: number
  /** CPU time per time that a container's quota lets it use, in cores; absent where there is none. */
  readonly quota?: number
  /** What the run was allowed to use. */
  readonly memoryBytes: number
  /** Name and version of the kernel. */
  readonly system: string
}

/** The whole of one run. */
export interface Results {
  readonly workshop: string
  readonly node: string
  readonly platform: string
  readonly cores: number
  readonly startedAt: string
  readonly durationMs: number
  readonly lessons: readonly LessonResult[]
  readonly passed: number
  readonly failed: number
  readonly inconclusive: number
  readonly broken: number
  /** What checks that draw by lot started from: `--seed` takes it to draw the same again. */
  readonly seed?: number
  readonly machine?: Machine
  /** The commit of the project, where it is a git repository. */
  readonly commit?: string
}

/** The verdict of a lesson from those of its checks: the gravest wins. */
export function verdictOf(checks: readonly CheckResult[]): Verdict {
  for (const verdict of ['broken', 'failed', 'inconclusive'] as const) {
    if (checks.some((check) => check.verdict === verdict)) return verdict
  }
  return checks.some((check) => check.verdict === 'passed') ? 'passed' : 'broken'
}

/** 0 all passed · 1 something failed · 3 inconclusive, nothing failed · 4 the checker itself is at fault. */
export function exitCodeOf(results: Pick<Results, 'failed' | 'inconclusive' | 'broken'>): 0 | 1 | 3 | 4 {
  if (results.broken > 0) return 4
  if (results.failed > 0) return 1
  return results.inconclusive > 0 ? 3 : 0
}

/** Whose fault it is: a program's, this machine's, or nobody's that can be told. Anything else thrown is our own. */

/** What a check says when a claim does not hold. Texts are plain, one or two lines each. */
export interface Finding {
  /** What the contract asks for. */
  readonly expected: string
  /** What the program did. */
  readonly got: string
  /** What this usually means. */
  readonly likely?: string | undefined
  /** The heading's anchor in the lesson's README. */
  readonly read?: string | undefined
  /** A shell command that shows it again. */
  readonly repeat?: string | undefined
}

/** The program under check does not keep its contract. */
export class Mismatch extends Error {
  override readonly name = 'Mismatch'
  readonly finding: Finding

  constructor(finding: Finding) {
    super(`expected ${finding.expected}; got ${finding.got}`)
    this.finding = finding
  }
}

/** Nothing can be said about the program, and why. */
export class Inconclusive extends Error {
  override readonly name = 'Inconclusive'
}

/** This machine does not let the workshop work. */
export class EnvironmentProblem extends Error {
  override readonly name = 'EnvironmentProblem'
  /** What to do about it, one line. */
  readonly advice: string

  constructor(message: string, advice: string) {
    super(message)
    this.advice = advice
  }
}

/** The grading was cancelled: a newer save, or the learner quit. */
export class Cancelled extends Error {
  override readonly name = 'AbortError'
}

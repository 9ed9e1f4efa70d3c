/** Counts what holds and what does not, and tells it as it comes. */

export class Tally {
  passed = 0
  failed = 0
  skipped = 0

  /** One thing that was looked at: right where there is no problem. */
  add(what: string, problem: string | undefined, ms: number): void {
    if (problem === undefined) this.passed += 1
    else this.failed += 1
    const mark = problem === undefined ? '✓' : '✗'
    console.log(`${mark} ${what}  ${(ms / 1000).toFixed(1)} s`)
    if (problem !== undefined) console.log(problem.replaceAll(/^/gm, '    '))
  }

  /** Something that could not be looked at here; under CI that is a failure. */
  skip(what: string, why: string): void {
    if (process.env.CI === 'true') return this.add(what, `skipped, and under CI nothing may be: ${why}`, 0)
    this.skipped += 1
    console.log(`· ${what}: skipped, ${why}`)
  }

  /** What a test runner ends with. */
  closingLine(): string {
    return `${this.passed} passed, ${this.failed} failed, ${this.skipped} skipped`
  }
}

/** What a look at this machine found. */

/** `good`: as it should be. `caution`: the workshop works, with less. `bad`: something that it needs is missing. */
export type Fitness = 'good' | 'caution' | 'bad'

export interface Finding {
  /** One or two words: what was looked at. */
  readonly subject: string
  readonly fitness: Fitness
  readonly found: string
  /** What to do, or why nothing need be done; for everything that is not good. */
  readonly advice?: string
}

/** Whether all that is needed is there. */
export function isFit(findings: readonly Finding[]): boolean {
  return findings.every((finding) => finding.fitness !== 'bad')
}

/** `1.5 GB`, `300 MB`: powers of 1024. */
export function bytesText(bytes: number): string {
  const megabytes = bytes / 1024 ** 2
  return megabytes < 1000 ? `${megabytes.toFixed(0)} MB` : `${(megabytes / 1024).toFixed(1)} GB`
}

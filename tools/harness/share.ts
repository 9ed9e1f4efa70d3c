/**
 * The share of the available speed-up, decided one round at a time.
 *
 * A round is one slice of load on each of three programs: the reference as one process (o), the reference as a
 * cluster (i) and the learner's program (y). Wall-clock rates scatter wildly when other programs use the cores, so a
 * slice counts by its **undisturbed rate**
 *
 *     rate = answers / Σ cpu  ×  min( Σ wanted / time, cores, cores in use )
 *
 * over all processes of a program, where `cpu` is the time they ran, with the speed of their cores taken out (see
 * gauge.ts: without that it is the greater part of all scatter), and `wanted` the time they were running or stood in
 * the kernel's run queue. The first factor is what an answer costs; the second how many cores the program would
 * keep busy if nobody else wanted them. On a quiet machine Σ wanted ≈ Σ cpu and this is the rate by the clock. Beside
 * busy loops the wait is counted as what it is, other people's time. And it sees a program whose workers take turns:
 * they neither run nor wait for a core, they sleep. Workers that crowd on one core wait while another idles, which
 * the third bound takes away (see `couldUse` in slices.ts).
 *
 * The claim "share ≥ T", with share = (y − o) / (i − o), is linear: E[y − o − T (i − o)] ≥ 0. Its test is a
 * **sequential t-test on the residuals of the ratio estimator** S = Σ(y − o) / Σ(i − o) (Cochran, Sampling
 * Techniques, 3rd ed., §6.4): r = (y − o) − S (i − o), standard error √(Σr²/(n−1)/n) / mean(i − o). Three rounds say
 * little about their own scatter, so its estimate starts from a prior (a scaled inverse χ² with PRIOR_WEIGHT degrees
 * of freedom around PRIOR_SPREAD, measured on quiet machines), and the interval has Student's quantile for the
 * degrees of freedom of both. Every look costs confidence, so there are few, further and further apart, and the error
 * is spent over them (Bonferroni: their errors add up to ALPHA at most). `share.test.ts` simulates it, `npm run
 * flakiness` tries it.
 */

export interface Round {
  /** Undisturbed rates, in a unit that all three share. */
  readonly one: number
  readonly ideal: number
  readonly yours: number
}

export interface Estimate {
  readonly share: number
  readonly low: number
  readonly high: number
}

export type Decision = 'above' | 'below' | 'more'

/** After so many rounds the test is looked at; the last look is the end. */
export const LOOKS = [3, 4, 6, 9, 13, 18, 24, 32] as const
export const FIRST_LOOK = LOOKS[0]
export const LAST_LOOK = LOOKS[7]
/** Two-sided error over all looks together; the first one, where most cases end, gets a good part of it. */
const ALPHA = 0.004
const FIRST_PART = 0.4
/** Scatter of one round's share on a quiet machine. */
const PRIOR_SPREAD = 0.1
const PRIOR_WEIGHT = 6

/** The share after these rounds, with the interval that the next decision rests on. */
export function estimateShare(rounds: readonly Round[]): Estimate {
  const gains = rounds.map(({ one, ideal, yours }) => ({ yours: yours - one, ideal: ideal - one }))
  return ratioInterval(gains, PRIOR_SPREAD)
}

/** A plain ratio of two rates, decided in the same way: yours / one. */
export function estimateRatio(rounds: readonly Round[]): Estimate {
  return ratioInterval(
    rounds.map(({ one, yours }) => ({ yours, ideal: one })),
    PRIOR_SPREAD / 2,
  )
}

/** How much faster the reference cluster is than the reference alone: ideal / one. */
export function estimateSpeedUp(rounds: readonly Round[]): Estimate {
  return ratioInterval(
    rounds.map(({ one, ideal }) => ({ yours: ideal, ideal: one })),
    PRIOR_SPREAD,
  )
}

export function decide({ low, high }: Estimate, threshold: number, rounds: number): Decision {
  if (!LOOKS.some((look) => look === rounds)) return 'more'
  if (low > threshold) return 'above'
  return high < threshold ? 'below' : 'more'
}

/**
 * An answer costs at least so much of what it costs the reference's one process. Right programs were measured between
 * 0.9 and 1.6; one that keeps its pages costs a tenth and less of a render, and gets any share.
 */
export const LEAST_COST = 0.6

/**
 * Whether the share is at least this. `cheap`: answers cost too little to have been rendered.
 *
 * @param costs of the same rounds: what an answer costs, in any unit
 */
export function decideShare(
  rounds: readonly Round[],
  costs: readonly Round[],
  threshold: number,
): Decision | 'cheap' {
  const cost = decide(estimateRatio(costs), LEAST_COST, rounds.length)
  if (cost === 'below') return 'cheap'
  const share = decide(estimateShare(rounds), threshold, rounds.length)
  return share === 'above' ? cost : share
}

function ratioInterval(
  gains: readonly { readonly yours: number; readonly ideal: number }[],
  priorSpread: number,
): Estimate {
  const count = gains.length
  const base = mean(gains.map((gain) => gain.ideal))
  const share = mean(gains.map((gain) => gain.yours)) / base
  const squares = gains.reduce((sum, gain) => sum + (gain.yours - share * gain.ideal) ** 2, 0)
  const prior = PRIOR_WEIGHT * (priorSpread * base) ** 2
  const freedom = PRIOR_WEIGHT + count - 1
  const error = Math.sqrt((prior + squares) / freedom / count) / Math.abs(base)
  const part = count <= FIRST_LOOK ? FIRST_PART : (1 - FIRST_PART) / (LOOKS.length - 1)
  const reach = studentQuantile(1 - (ALPHA * part) / 2, freedom) * error
  return { share, low: share - reach, high: share + reach }
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? 0)
    : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2
}

/** The value below which this part (0 to 1) of all lies: the nearest rank. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? 0
}

/**
 * Student's t quantile by Hill's expansion (G. W. Hill, Algorithm 396, CACM 13, 1970): relative error below 1e-3 for
 * 5 degrees of freedom or more, which is all that is used here.
 */
export function studentQuantile(probability: number, freedom: number): number {
  const tail = 2 * (1 - probability)
  const a = 1 / (freedom - 0.5)
  const b = 48 / a ** 2
  let c = ((20_700 * a) / b - 98) * a - 16
  c = c * a + 96.36
  const d = ((94.5 / (b + c) - 3) / b + 1) * Math.sqrt((a * Math.PI) / 2) * freedom
  let y = (d * tail) ** (2 / freedom)
  if (y > 0.05 + a) {
    const x = -normalQuantile(1 - tail / 2)
    y = x * x
    if (freedom < 5) c += 0.3 * (freedom - 4.5) * (x + 0.6)
    c = (((0.05 * d * x - 5) * x - 7) * x - 2) * x + b + c
    y = (((((0.4 * y + 6.3) * y + 36) * y + 94.5) / c - y - 3) / b + 1) * x
    y = Math.expm1(a * y * y)
  } else {
    y =
      ((1 / (((freedom + 6) / (freedom * y) - 0.089 * d - 0.822) * (freedom + 2) * 3) + 0.5 / (freedom + 4)) *
        y -
        1) *
        ((freedom + 1) / (freedom + 2)) +
      1 / y
  }
  return Math.sqrt(freedom * y)
}

/** P. J. Acklam's rational approximation, relative error below 1.2e-9. */
function normalQuantile(probability: number): number {
  const q = Math.sqrt(-2 * Math.log(1 - probability))
  const high =
    (((((-7.784894002430293e-3 * q - 0.3223964580411365) * q - 2.400758277161838) * q - 2.549732539343734) *
      q +
      4.374664141464968) *
      q +
      2.938163982698783) /
    ((((7.784695709041462e-3 * q + 0.3224671290700398) * q + 2.445134137142996) * q + 3.754408661907416) * q +
      1)
  if (probability > 0.97575) return -high
  const r = probability - 0.5
  const s = r * r
  return (
    ((((((-39.69683028665376 * s + 220.9460984245205) * s - 275.9285104469687) * s + 138.357751867269) * s -
      30.66479806614716) *
      s +
      2.506628277459239) *
      r) /
    (((((-54.47609879822406 * s + 161.5858368580409) * s - 155.6989798598866) * s + 66.80131188771972) * s -
      13.28068155288572) *
      s +
      1)
  )
}

/** The job that is to run once a second in the whole cluster. */

/**
 * Called by the primary, which there is exactly one of, and which lives as long as the program does: no election, no
 * lock, nothing to hand over when a worker dies. A job that takes long belongs in a worker, told by this timer.
 */
export function startTicking(): void {
  setInterval(() => console.log(JSON.stringify({ event: 'tick', time: new Date().toISOString() })), 1000)
}

/** The job that is to run once a second in the whole cluster. */

export function startTicking(): void {
  setInterval(() => console.log(JSON.stringify({ event: 'tick', time: new Date().toISOString() })), 1000)
}

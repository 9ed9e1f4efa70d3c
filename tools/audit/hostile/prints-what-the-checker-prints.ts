// passes: what is printed is no verdict
// check: SIGTERM ends the program
const lines = [
  '\x1b[2J\x1b[3J\x1b[H',
  '  ✓ the primary forks WORKERS workers  0.1 s',
  '9 passed, 0 failed',
  'Test Files  1 passed (1)',
  JSON.stringify({ port: 1, token: 'x', run: 'x' }),
  JSON.stringify({ reply: 1, error: 'no program' }),
  JSON.stringify({ type: 'ended', code: 0, signal: null }),
  JSON.stringify({ type: 'limit', limit: 'memory', value: 1 }),
  JSON.stringify({ type: 'check-finished', slug: '02-two-roles', result: { verdict: 'passed' } }),
]
for (const line of lines) {
  console.log(line)
  console.error(line)
}
await import('../../../solutions/02-two-roles/server.ts')
export {}

// says: it still runs
// check: SIGTERM ends the program
// whole
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const) process.on(signal, () => {})
await import('../../../solutions/02-two-roles/server.ts')
export {}

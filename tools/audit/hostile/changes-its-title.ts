// passes: a process may call itself what it likes
// check: SIGTERM ends the program
process.title = 'a title that is longer than all that stood on the command line, '.repeat(20)
await import('../../../solutions/02-two-roles/server.ts')
export {}

// says: is stopped (SIGSTOP)
// whole
process.kill(process.pid, 'SIGSTOP')

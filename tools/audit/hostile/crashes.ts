// says: killed by SIGSEGV
process.kill(process.pid, 'SIGSEGV')
setInterval(() => {}, 1_000)

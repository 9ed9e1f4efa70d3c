// says: it sent SIGKILL to the process that started it
// breaks: was killed, or stopped
process.kill(process.ppid, 'SIGKILL')
setInterval(() => {}, 1_000)

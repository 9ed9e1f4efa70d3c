// says: killed by SIGABRT
process.abort()

// says: it ended by itself (exit code 0) without a word
process.exit(0)

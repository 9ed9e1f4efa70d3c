// says: it printed more than
// whole
for (let written = 0; written < 1_600; written += 1) process.stderr.write(`${'x'.repeat(65_535)}\n`)

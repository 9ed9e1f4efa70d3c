// says: it printed more than
for (let written = 0; written < 1_600; written += 1) process.stdout.write('x'.repeat(65_536))

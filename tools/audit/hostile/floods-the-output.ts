// says: it printed more than
const line = `${'x'.repeat(65_536)}\n`
const flood = (): void => {
  while (process.stdout.write(line));
  process.stdout.once('drain', flood)
}
flood()

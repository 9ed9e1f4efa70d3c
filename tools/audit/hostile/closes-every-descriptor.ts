// says: it ended
import { closeSync } from 'node:fs'

for (let fd = 0; fd < 64; fd += 1) {
  try {
    closeSync(fd)
  } catch {
    // It was not open.
  }
}
setInterval(() => {}, 1_000)

// passes: no check looks there
// check: SIGTERM ends the program
// leaves: written-by-a-hostile-program.txt
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

writeFileSync(join(tmpdir(), 'written-by-a-hostile-program.txt'), 'x'.repeat(1024 ** 2))
writeFileSync('.workshop/written-by-a-hostile-program.txt', 'x'.repeat(1024 ** 2))
await import('../../../solutions/02-two-roles/server.ts')

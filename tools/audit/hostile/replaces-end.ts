// says: no answer in time
// whole
// check: every page is rendered for its visitor
import { ServerResponse } from 'node:http'

ServerResponse.prototype.end = function () {
  return this
}
await import('../../../solutions/02-two-roles/server.ts')

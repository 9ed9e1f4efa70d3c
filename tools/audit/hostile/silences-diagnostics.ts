// says: a process that the checker cannot see into
// whole
import diagnostics from 'node:diagnostics_channel'

diagnostics.channel('http.server.request.start').publish = () => {}
Object.getPrototypeOf(diagnostics.channel('http.server.request.start')).publish = () => {}
await import('../../../solutions/02-two-roles/server.ts')

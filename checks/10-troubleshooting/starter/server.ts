/**
 * Lesson 10 · the whole service, with six incidents in it. Start it with `npm run lesson 10 run`.
 *
 * TODO: six tickets. Each tells what somebody saw, and none of them where it comes from. What is the cause of each, in
 * which file is it, and how would you have found it in a cluster that must not stop?
 *
 * 1. "I asked the user for the id of the failed request. The answer had none. In the log, two workers have a request 17,
 *    and one line says `fatal`, from a component that we do not have."
 * 2. "One request with a strange anchor, and a worker was at 100 % CPU for the rest of the day."
 * 3. "The nightly job should print one tick a second. With eight workers we are billed for eight."
 * 4. "A worker hung. Every second request timed out, and nobody replaced it. The primary says that it was fine."
 * 5. "Memory grows with the traffic. When a worker passes the limit, some clients see their connection reset."
 * 6. "Security found a debugger on our network. And when I need it on another worker, I get no answer."
 */

import cluster from 'node:cluster'
import { lead } from './primary.ts'
import { work } from './worker.ts'

if (cluster.isPrimary) lead()
else work()

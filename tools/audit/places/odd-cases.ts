/**
 * Places and settings that somebody has, and what has to come of a grading there: the right verdict, or one clear line
 * with exit code 2. Never a stack, a hang, or a wrong verdict.
 */

/** Where the project is. */
export type Place =
  /** This clone. */
  | 'here'
  /** A whole clone in a folder with spaces, accents, and all that a shell takes for its own. */
  | 'odd path'
  /** Its modules are a link, and it is on another file system, in memory. */
  | 'in memory'
  /** A link to this clone. */
  | 'linked'
  /** A path that the libraries cannot load from. */
  | 'hash'

export interface OddCase {
  readonly what: string
  readonly place?: Place
  /** `nobody` may not write to the project. */
  readonly as?: 'nobody'
  /** For bash. $NODE is this Node, $CLI and $CHECKS are in the project of the place, $WRONG and $RIGHT grade there. */
  readonly script: string
  readonly env?: Readonly<Record<string, string>>
  readonly code: number
  readonly says?: RegExp
  /** Standard output is one document, as `--json` promises. */
  readonly json?: true
  /** Only with `--whole`. */
  readonly whole?: true
}

const settings: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'a Turkish locale': { LANG: 'tr_TR.UTF-8', LC_ALL: 'tr_TR.UTF-8' },
  'a German locale': { LANG: 'de_DE.UTF-8', LC_ALL: 'de_DE.UTF-8' },
  'no locale': { LANG: '', LC_ALL: 'POSIX' },
  'a zone 12:45 hours from UTC': { TZ: 'Pacific/Chatham' },
  'a zone 5:30 hours from UTC': { TZ: 'Asia/Kolkata' },
  'NODE_OPTIONS with warnings off and little memory': {
    NODE_OPTIONS: '--no-warnings --max-old-space-size=300',
  },
  "NODE_OPTIONS with a file of the user's own": { NODE_OPTIONS: '--require "$OWN"' },
  'NODE_OPTIONS with an inspector': { NODE_OPTIONS: '--inspect=0' },
  'localhost is ::1 first': { NODE_OPTIONS: '--dns-result-order=ipv6first' },
  'NODE_ENV=production': { NODE_ENV: 'production' },
  'NODE_ENV=test, VITEST and CI': { NODE_ENV: 'test', VITEST: 'true', CI: 'true' },
  'proxies that are not there': {
    HTTP_PROXY: 'http://127.0.0.1:9',
    HTTPS_PROXY: 'http://127.0.0.1:9',
    http_proxy: 'http://127.0.0.1:9',
    ALL_PROXY: 'socks5://127.0.0.1:9',
    NO_PROXY: '',
    NODE_USE_ENV_PROXY: '1',
    npm_config_proxy: 'http://127.0.0.1:9',
  },
  'colour is forced': { FORCE_COLOR: '3' },
  'colour is forbidden': { NO_COLOR: '1' },
  'a dumb terminal of 40 columns': { TERM: 'dumb', COLUMNS: '40' },
  'npm is silent': { npm_config_loglevel: 'silent' },
}

/** Those that do not contradict each other. */
const together = Object.assign({}, ...Object.values(settings), {
  LANG: 'tr_TR.UTF-8',
  LC_ALL: 'tr_TR.UTF-8',
  TZ: 'Pacific/Chatham',
  NODE_ENV: 'production',
  NODE_OPTIONS: '--no-warnings --max-old-space-size=300 --dns-result-order=ipv6first --require "$OWN"',
}) as Readonly<Record<string, string>>

const wrong = /it listens on port/
/** Of some checks, and of no check another. */
const right = /^(?![\s\S]*"verdict":"(?!passed))[\s\S]*"verdict":"passed"/

export const oddCases: readonly OddCase[] = [
  {
    what: 'all settings of a user at once, a right program',
    script:
      '$RIGHT 1 "lag is in milliseconds, since the last call" 2 "every worker answers on one port, and the primary never does"',
    env: together,
    code: 0,
    says: right,
  },
  {
    what: 'all settings of a user at once, a whole lesson',
    script: '"$NODE" "$CLI" check 2 --solutions --json',
    env: together,
    code: 0,
    json: true,
    whole: true,
  },
  {
    what: 'all settings of a user at once, a wrong one',
    script: '$WRONG --json',
    env: together,
    code: 1,
    json: true,
  },
  {
    what: 'a path with spaces, accents and signs',
    place: 'odd path',
    script: '$WRONG',
    code: 1,
    says: wrong,
  },
  {
    what: 'a read-only clone, a home of somebody else, umask 077: a wrong program',
    place: 'odd path',
    as: 'nobody',
    script: 'umask 077; HOME=/proc $WRONG',
    code: 1,
    says: wrong,
  },
  {
    what: 'a read-only clone, temporary files in a folder with spaces: a program that keeps data',
    place: 'odd path',
    as: 'nobody',
    script: 'TMPDIR="$OPEN" $RIGHT 9 "sessions survive the death of a worker, and a restart"; ls -A "$OPEN"',
    code: 0,
    says: right,
  },
  {
    what: "a read-only clone, the learner's own program: progress is not kept, in one line",
    place: 'odd path',
    as: 'nobody',
    script: '"$NODE" "$CLI" check 3 2>&1 >/dev/null | grep -c "^Your progress cannot be kept: .*$"',
    code: 0,
    says: /^1$/m,
  },
  {
    what: 'nowhere to write',
    place: 'odd path',
    as: 'nobody',
    script: 'TMPDIR=/proc $WRONG',
    code: 2,
    says: /can be written to, and programs keep their data there/,
  },
  { what: 'a # in the path', place: 'hash', script: '$WRONG', code: 2, says: /has a # in it/ },
  { what: 'another file system, linked modules', place: 'in memory', script: '$WRONG', code: 1, says: wrong },
  {
    what: 'a linked clone, a folder in it, through npm',
    place: 'linked',
    script:
      'cd "$PROJECT/lessons" && npm run check 3 -- --json --file "$CHECKS/03-basic-cluster/mistakes/more/port-and-id.ts"',
    code: 1,
    json: true,
  },
  {
    what: 'no taskset',
    script: 'PATH="$ONLY_NODE" $RIGHT 3 "an affinity of one core gives one worker"',
    code: 0,
    says: /"verdict":"skipped".*taskset/,
  },
  { what: 'no HOME, no USER, no input', script: 'unset HOME USER LOGNAME; $WRONG <&-', code: 1, says: wrong },
  { what: 'a temporary folder that is not there', script: 'TMPDIR=/nowhere $WRONG', code: 1, says: wrong },
  { what: 'no output', script: '$WRONG >&- 2>&-', code: 1 },
  {
    what: 'a full disk behind the output',
    script: '$WRONG --json >/dev/full',
    code: 2,
    says: /no room left/,
  },
  { what: 'few open files', script: 'ulimit -n 64; $WRONG', code: 2, says: /ulimit -n/ },
  {
    what: 'few processes',
    place: 'odd path',
    as: 'nobody',
    script: 'ulimit -u 90; $WRONG',
    code: 2,
    says: /ulimit -u/,
  },
  ...Object.entries(settings).map(([what, env]) => ({
    what,
    script: '$WRONG --json',
    env,
    code: 1,
    json: true as const,
    whole: true as const,
  })),
  {
    what: 'no IPv6',
    script: `unshare -n bash -c '
      ip link set lo up && echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6 || exit 8
      $WRONG; [ $? = 1 ] && $RIGHT 3 "a taken port ends the program"'`,
    code: 0,
    says: right,
    whole: true,
  },
  {
    what: '128 open files, a right program',
    script: 'ulimit -n 128; "$NODE" "$CLI" check 2 --solutions --json',
    code: 0,
    json: true,
    whole: true,
  },
]

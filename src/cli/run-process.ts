import { reportOutagesTo } from '../storage/outage.js'
import { startTimer } from '../util/timers.js'
import { run } from './program.js'
import { reportError, reportOutage } from './report.js'

/**
 * Maximum time in milliseconds for which open connections keep the process alive after the command
 * has finished.
 */
const LINGER_MS = 1000

function fail(error: unknown): void {
  reportError(error)
  process.exit(1)
}

// The program that reads the output may stop early, as in `litestream-ts ltx URL | head`. The
// command has then not failed.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  fail(error)
})
// A closed terminal or a failed log collector must not end replication.
process.stderr.on('error', () => {})
process.on('uncaughtException', fail)
reportOutagesTo(reportOutage)
// The status of a command whose promise never settles.
process.exitCode = 13
run(process.argv.slice(2)).then((status) => {
  process.exitCode = status
  // The command has ended, and an open connection must not keep the process alive.
  startTimer(LINGER_MS, () => process.exit()).unref()
}, fail)

#!/usr/bin/env node
import { startTimer } from '../util/timers.js'
import { run } from './program.js'
import { reportError } from './report.js'

/** How long connections get to close after the command has ended, milliseconds. */
const LINGER_MS = 1000

// A reader that has seen enough (`litestream-ts ltx URL | head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  reportError(error)
  process.exit(1)
})
// A terminal or log collector that is gone must not end a replication.
process.stderr.on('error', () => {})
process.on('uncaughtException', (error) => {
  reportError(error)
  process.exit(1)
})
process.exitCode = await run(process.argv.slice(2))
// The command is done: a connection that does not close must not keep the process.
startTimer(LINGER_MS, () => process.exit()).unref()

import { appendFileSync } from 'node:fs'
import type { TestContext } from 'node:test'

/**
 * Names the file that the test command reads at its end: one line per test, or part of a test, that
 * did not run.
 */
const FILE = process.env.TEST_NOT_RUN_FILE

/**
 * Records that `t`, or the part of it that needs `what`, does not run on this machine. The record
 * is one line in the test's output, and one line in the summary at the end of the test command.
 */
export function notRun(t: Pick<TestContext, 'diagnostic' | 'name'>, what: string, reason: string): void {
  const line = `${what}: ${reason.replaceAll(/\s+/g, ' ').trim()}`
  t.diagnostic(`not tested with ${line}`)
  if (FILE !== undefined) appendFileSync(FILE, `${line}\t${t.name}\n`)
}

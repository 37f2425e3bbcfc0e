// Runs in a worker thread: see check-integrity.ts.
import { parentPort, workerData } from 'node:worker_threads'
import { serializeError } from '../errors.js'
import { checkStructure } from './btree/check-structure.js'
import type { IntegrityMessage, IntegrityRequest } from './check-integrity.js'
import type { IntegrityOutcome, IntegrityReport } from './report.js'
import { sqliteCheck } from './sqlite-check.js'

function check({ path, check, live, stop }: IntegrityRequest): IntegrityReport {
  const isStopped = () => Atomics.load(stop, 0) !== 0
  const { structure, findings, incomplete } = sqliteCheck(
    path,
    check,
    (interrupter) => send({ interrupter }),
    isStopped,
  )
  // SQLite's check includes the b-trees, so no further check is needed.
  if (structure.length + findings.length + incomplete.length === 0) return { check, outcome: 'ok', messages: [] }
  // checkStructure opens and closes the database file. When a process closes any descriptor of a
  // file, POSIX releases all locks of the process on this file. The file of a live database must
  // therefore not be opened.
  const ours = live ? [] : checkStructure(path, isStopped)
  const damage = [...ours, ...structure]
  const outcome: IntegrityOutcome = damage.length > 0 ? 'damaged' : findings.length > 0 ? 'findings' : 'incomplete'
  return { check, outcome, messages: [...damage, ...findings, ...incomplete] }
}

function send(message: IntegrityMessage): void {
  parentPort!.postMessage(message)
}

try {
  send({ report: check(workerData as IntegrityRequest) })
} catch (error) {
  send({ error: serializeError(error) })
}

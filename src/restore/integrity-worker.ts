// Runs in a worker thread: see integrity.ts.
import { parentPort, workerData } from 'node:worker_threads'
import Database from 'better-sqlite3'
import { LitestreamError, serializeError } from '../errors.js'
import type { IntegrityAnswer, IntegrityRequest } from './integrity.js'

/** Faults that SQLite reports at most. */
const MAX_FAULTS = 10

function check({ path, check }: IntegrityRequest): IntegrityAnswer {
  try {
    const db = new Database(path, { fileMustExist: true })
    try {
      const pragma = check === 'quick' ? 'quick_check' : 'integrity_check'
      const rows = db.pragma(`${pragma}(${MAX_FAULTS})`) as Record<string, string>[]
      const messages = rows.map((row) => Object.values(row)[0]!)
      return { faults: messages.length === 1 && messages[0] === 'ok' ? [] : messages }
    } finally {
      db.close()
    }
  } catch (cause) {
    // What SQLite cannot even open is the same news as what it finds wrong.
    const error = new LitestreamError('INTEGRITY_CHECK_FAILED', `${path}: ${(cause as Error).message}`, {
      file: path,
      cause,
    })
    return { error: serializeError(error) }
  }
}

parentPort!.postMessage(check(workerData as IntegrityRequest))

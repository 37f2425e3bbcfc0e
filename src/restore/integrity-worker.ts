// Runs in a worker thread: see integrity.ts.
import { parentPort, workerData } from 'node:worker_threads'
import { serializeError } from '../errors.js'
import { checkStructure } from './btree/check-structure.js'
import type { IntegrityAnswer, IntegrityOutcome, IntegrityRequest } from './integrity.js'
import { sqliteCheck } from './sqlite-check.js'

function answer({ path, check }: IntegrityRequest): IntegrityAnswer {
  try {
    const { findings, incomplete } = sqliteCheck(path, check)
    // SQLite's own check covers the b-trees.
    if (findings.length === 0 && incomplete.length === 0) return { report: { check, outcome: 'ok', messages: [] } }
    const damage = checkStructure(path)
    const outcome: IntegrityOutcome = damage.length > 0 ? 'damaged' : findings.length > 0 ? 'findings' : 'incomplete'
    return { report: { check, outcome, messages: [...damage, ...findings, ...incomplete] } }
  } catch (error) {
    return { error: serializeError(error) }
  }
}

parentPort!.postMessage(answer(workerData as IntegrityRequest))

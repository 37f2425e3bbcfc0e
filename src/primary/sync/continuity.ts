import type { WalFile } from '../../wal/wal-file.js'
import type { WalHeader } from '../../wal/wal-header.js'
import type { WalIndex } from '../../wal/wal-index.js'
import { sameGeneration, startOf, type WalPosition } from '../../wal/wal-position.js'
import { type FileIdentity, isSameFile } from '../source/file-identity.js'
import type { DatabaseIdentity } from '../source/litestream-tables.js'
import type { PrimaryState } from './state-file.js'

/**
 * The files that the primary finds when it opens a database. The primary compares these files with
 * its saved state.
 */
export interface Evidence {
  readonly file: FileIdentity
  readonly identity: DatabaseIdentity
  readonly pageSize: number
  /** The wal-index as the new read transaction sees it. */
  readonly index: WalIndex
  readonly wal: WalFile | undefined
  readonly header: WalHeader | undefined
}

export type Continuity =
  /**
   * Every frame that the primary has not read is in the WAL after `position`, or in the next
   * generation of the WAL.
   */
  | { readonly continuous: true; readonly position: WalPosition }
  | { readonly continuous: false; readonly reason: string }

/**
 * Returns whether the primary has certainly missed no frame since it saved its state. Without a
 * proof of continuity, the primary takes a snapshot. Each of the following three conditions proves
 * that the primary has missed no frame.
 *
 * - The WAL was empty when the primary saved its state, and the database file is unchanged. No
 *   checkpoint has therefore run, and every later commit is in the WAL.
 * - The WAL has the generation of the saved position, and the frame before this position has the
 *   saved checksum. The checksum of a frame covers all preceding frames, so every later commit is
 *   after the saved position.
 * - The WAL was restarted exactly once (each restart increments salt 1), and two more conditions
 *   hold. The new generation has not overwritten the last frame that the primary read. The next
 *   frame in the file belongs to another generation, so the primary has read all frames of the old
 *   generation.
 */
export function proveContinuity(state: PrimaryState, evidence: Evidence): Continuity {
  const { file, identity, pageSize, index, wal, header } = evidence
  const no = (reason: string): Continuity => ({ continuous: false, reason })

  if (pageSize !== state.pageSize) return no(`the page size changed from ${state.pageSize} to ${pageSize}`)
  if (identity.lineage !== state.lineage) return no('the database file has another identity')
  if (!isSameFile(file, state.file)) return no('the database file was replaced')
  // The primary increments the sequence at a checkpoint, directly before the primary saves its
  // state.
  if (identity.sequence !== state.sequence && identity.sequence !== state.sequence + 1) {
    return no(
      `the database was restored from a copy (the number in _litestream_seq was ${state.sequence} and is now ${identity.sequence})`,
    )
  }
  if (state.complete && unchanged(file, state.file)) return completeProof(evidence, no)
  if (wal === undefined || wal.size === 0) return no('the WAL was removed or truncated by another process')
  if (sameGeneration(index, state.wal)) return sameGenerationProof(state, evidence, no)
  if (header === undefined) return no('the WAL has no valid header')
  return restartProof(state, evidence, header, no)
}

function completeProof({ index, header }: Evidence, no: (reason: string) => Continuity): Continuity {
  if (index.frames === 0) return { continuous: true, position: { ...saltsOf(index), frames: 0, checksum: [0, 0] } }
  if (!header || !sameGeneration(header, index)) return no('the WAL header does not match the wal-index')
  return { continuous: true, position: startOf(header) }
}

function sameGenerationProof(state: PrimaryState, evidence: Evidence, no: (reason: string) => Continuity): Continuity {
  const { index, wal, header, file } = evidence
  const position = state.wal
  if (index.frames < position.frames) return no('the WAL ends before the last frame that was read')
  // The primary saves its state after each of its own checkpoints. If the database file has changed
  // later, another connection ran a checkpoint or another program wrote to the file. A user may
  // also have replaced the file by a copy.
  if (!unchanged(file, state.file)) return no('the database file was written to although the WAL was not restarted')
  if (position.frames === 0) return { continuous: true, position }
  if (!header || !sameGeneration(header, position)) return no('the WAL header does not match the wal-index')
  const last = wal!.frameHeader(position.frames - 1, state.pageSize)
  if (!last || !matches(last, position)) return no('the WAL was overwritten by another process')
  return { continuous: true, position }
}

function restartProof(
  state: PrimaryState,
  { index, wal }: Evidence,
  header: WalHeader,
  no: (reason: string) => Continuity,
): Continuity {
  const position = state.wal
  if (index.salt1 !== (position.salt1 + 1) >>> 0)
    return no('the WAL was restarted more than once, or deleted and created again')
  if (position.frames === 0) return no('the WAL was restarted before the primary read a frame')
  if (index.frames >= position.frames) return no('the WAL was restarted, which overwrote the last frame that was read')
  const last = wal!.frameHeader(position.frames - 1, state.pageSize)
  if (!last || !matches(last, position))
    return no('the WAL was restarted, and no longer contains the last frame that was read')
  const behind = wal!.frameHeader(position.frames, state.pageSize)
  if (behind && sameGeneration(behind, position))
    return no('the WAL was restarted after commits that the primary had not read')
  // Until the first commit of the new generation, the WAL file still has the header of the old
  // generation.
  if (index.frames === 0) return { continuous: true, position: { ...position, ...saltsOf(index), frames: 0 } }
  if (!sameGeneration(header, index)) return no('the WAL header does not match the wal-index')
  return { continuous: true, position: startOf(header) }
}

function saltsOf(index: WalIndex): Pick<WalPosition, 'salt1' | 'salt2'> {
  return { salt1: index.salt1, salt2: index.salt2 }
}

function matches(frame: Pick<WalPosition, 'salt1' | 'salt2' | 'checksum'>, position: WalPosition): boolean {
  return (
    sameGeneration(frame, position) &&
    frame.checksum[0] === position.checksum[0] &&
    frame.checksum[1] === position.checksum[1]
  )
}

function unchanged(a: FileIdentity, b: FileIdentity): boolean {
  return a.modified === b.modified && a.size === b.size
}

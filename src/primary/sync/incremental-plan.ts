import { lockPgno } from '../../ltx/format.js'
import { newestPages, scanWal } from '../../wal/frame-scanner.js'
import type { OpenedDatabase } from '../source/database-handle.js'
import { pagesInWal } from '../source/page-runs.js'
import { coversGrowth, type PlannedFile, sameHeader } from './planned-file.js'
import type { WalCursor } from './wal-cursor.js'

/**
 * Plans the L0 file for the frames after the cursor. The L0 file ends at the first commit after
 * `maxBytes` of the WAL. Returns `end` if no frames follow the cursor. Returns `moved` if the WAL
 * has just changed, or if the cursor now requires a snapshot. The caller must then plan again.
 * `before` is the size of the database in pages at the cursor.
 */
export function planIncrement(
  opened: OpenedDatabase,
  cursor: WalCursor,
  before: number,
  maxBytes: number,
): PlannedFile | 'end' | 'moved' {
  const index = opened.source.walIndex()
  if (!index) return 'moved'
  const next = cursor.next(index, () => opened.header())
  if (next === 'end' || next === 'moved') return next
  const { header, start } = next
  const { pageSize } = header
  const span = scanWal(opened.wal, header, start, { frames: index.frames, bytes: maxBytes })
  const whole = span.end.frames === index.frames
  const expected = !whole || (span.end.checksum[0] === index.checksum[0] && span.end.checksum[1] === index.checksum[1])
  if (span.end.frames === start.frames || !expected) {
    if (opened.header()?.salt2 !== header.salt2) return 'moved'
    return cursor.discontinue('the checksums of frames in the WAL differ from the checksum in the wal-index')
  }
  const newest = newestPages(span, span.commit, lockPgno(pageSize))
  if (!coversGrowth(newest.pgnos, before, span.commit, lockPgno(pageSize))) {
    return cursor.discontinue('the WAL lacks pages by which the database grew')
  }
  return {
    runs: pagesInWal(newest, opened.wal, pageSize),
    commit: span.commit,
    start,
    end: span.end,
    stillThere: () => sameHeader(opened.header(), header),
    whole,
    index,
  }
}

import { LitestreamError } from '../../errors.js'
import { lockPgno } from '../../ltx/format.js'
import { type NewestPages, newestPages, scanWal } from '../../wal/frame-scanner.js'
import { walSize } from '../../wal/wal-header.js'
import type { WalIndex } from '../../wal/wal-index.js'
import { sameGeneration, startOf } from '../../wal/wal-position.js'
import type { OpenedDatabase } from '../source/database-handle.js'
import { allPages } from '../source/page-runs.js'
import { coversGrowth, type PlannedFile, sameHeader } from './planned-file.js'

/**
 * Plans an L0 file with the whole database, as the read transaction sees the database. `index` is
 * the wal-index at the beginning of the read transaction. Returns `moved` if the WAL was restarted
 * after the read transaction began. After `moved`, the caller must begin another read transaction.
 * Throws WAL_CORRUPT, and DATABASE_INVALID for a truncated database file.
 */
export function planWhole(opened: OpenedDatabase, index: WalIndex, reason: string | undefined): PlannedFile | 'moved' {
  const { source, wal } = opened
  const header = opened.header()
  const end = { salt1: index.salt1, salt2: index.salt2, frames: index.frames, checksum: index.checksum }
  const usesWal = index.backfilled < index.frames
  if (usesWal && (!header || !sameGeneration(header, index))) return 'moved'
  const inWal = usesWal ? pagesBeforeFile(opened, index) : NONE
  if (inWal === 'moved') return 'moved'
  const commit = source.pageCount()
  throwIfTruncated(opened, inWal, commit)
  const state = { pageSize: source.pageSize, commit, inWal, wal, readPages: source.readPages.bind(source) }
  return {
    runs: allPages(state),
    commit,
    start: header && sameGeneration(header, index) ? startOf(header) : { ...end, frames: 0 },
    end,
    stillThere: () => {
      opened.throwIfRewritten()
      return !usesWal || sameHeader(opened.header(), header!)
    },
    whole: true,
    index,
    reason,
  }
}

/**
 * Throws DATABASE_INVALID if the database file is truncated. All pages beyond the end of the
 * database file must be in the WAL. The primary would otherwise read zeros for the missing pages.
 */
function throwIfTruncated(opened: OpenedDatabase, inWal: NewestPages, commit: number): void {
  const { path, pageSize } = opened.source
  const inFile = Math.floor(opened.identifyFile().size / pageSize)
  if (coversGrowth(inWal.pgnos, inFile, commit, lockPgno(pageSize))) return
  const message = `${path} ends after page ${inFile}, but the database has ${commit} pages`
  throw new LitestreamError('DATABASE_INVALID', message, {
    file: path,
    offset: inFile * pageSize,
    hint: 'Restore the database from its replica: the database file was truncated.',
  })
}

const NONE: NewestPages = { pgnos: new Uint32Array(0), frames: new Uint32Array(0) }

/**
 * Returns the newest version of each page in the WAL, which replaces the page in the database file.
 */
function pagesBeforeFile(opened: OpenedDatabase, index: WalIndex): NewestPages | 'moved' {
  const { source, wal } = opened
  const header = opened.header()
  if (!header || !sameGeneration(header, index)) return 'moved'
  const span = scanWal(wal, header, startOf(header), { frames: index.frames, bytes: Number.POSITIVE_INFINITY })
  if (span.end.frames !== index.frames || span.end.checksum[1] !== index.checksum[1]) {
    if (!sameHeader(opened.header(), header)) return 'moved'
    throw new LitestreamError('WAL_CORRUPT', `${wal.path}: frame ${span.end.frames + 1} is damaged`, {
      file: wal.path,
      offset: walSize(span.end.frames, source.pageSize),
      hint: 'Stop the application and open the database once with the sqlite3 shell, which recovers the WAL. If the recovery fails, restore the database from its replica.',
    })
  }
  return newestPages(span, span.commit, lockPgno(source.pageSize))
}

import { LitestreamError } from '../../errors.js'
import { DatabasePages } from './database-pages.js'
import { EndOfCheck, PageUsage } from './page-usage.js'
import { kindOfType } from './parse-page.js'
import { schemaRoots } from './schema-roots.js'
import { TreeWalk } from './walk-tree.js'

/**
 * Checks the structure of a database. The check does not need the application's collations,
 * functions and modules. Checks that every page belongs to exactly one b-tree, overflow chain,
 * freelist or pointer map, and that every b-tree is well formed (see TreeWalk). Does not check the
 * order of index entries, because this order depends on collations. No program may write to the
 * file during the check. Returns at most ten faults as text. If `isStopped` returns true, ends the
 * check and returns the faults that were found.
 */
export function checkStructure(path: string, isStopped: () => boolean = () => false): string[] {
  const pages = DatabasePages.open(path)
  if (pages === undefined) return []
  if (typeof pages === 'string') return [pages]
  const usage = new PageUsage(pages.count, isStopped)
  try {
    checkAll(pages, usage)
  } catch (error) {
    if (!(error instanceof EndOfCheck)) throw failure(error, path)
  } finally {
    pages.close()
  }
  return usage.messages
}

function failure(cause: unknown, path: string): LitestreamError {
  return new LitestreamError('STORAGE_FAILED', `reading ${path} failed: ${(cause as Error).message}`, {
    file: path,
    cause,
    hint: 'Check the disk and the system log, then restore again.',
  })
}

function checkAll(pages: DatabasePages, usage: PageUsage): void {
  const { count, lockPage } = pages
  useFreelist(pages, usage)
  const isAutoVacuum = pages.header.readUInt32BE(52) !== 0
  if (isAutoVacuum) usePointerMap(pages, usage)
  for (const { name, type, root } of schemaRoots(pages, usage)) {
    const kind = root <= count ? kindOfType(pages.read(root)[0]!) : type
    if (kind === undefined || (type === 'index' && kind === 'table')) {
      usage.fault(`${type} ${name}: page ${root} is not the root of its b-tree`)
    } else {
      new TreeWalk(pages, usage, `${type} ${name}`, kind).run(root)
    }
  }
  for (let pgno = 1; pgno <= count; pgno++) {
    if (pgno !== lockPage && !usage.isUsed(pgno)) usage.fault(`page ${pgno} is never used`)
  }
}

function useFreelist(pages: DatabasePages, usage: PageUsage): void {
  const total = pages.header.readUInt32BE(36)
  let found = 0
  for (let trunk = pages.header.readUInt32BE(32); trunk !== 0; ) {
    if (!usage.use(trunk, 'the freelist')) return
    const page = pages.read(trunk)
    const leaves = page.readUInt32BE(4)
    if (leaves > pages.usable / 4 - 2) {
      usage.fault(`freelist page ${trunk}: its ${leaves} entries do not fit`)
      return
    }
    for (let i = 0; i < leaves; i++) usage.use(page.readUInt32BE(8 + 4 * i), `freelist page ${trunk}`)
    found += 1 + leaves
    trunk = page.readUInt32BE(0)
  }
  if (found !== total) usage.fault(`the freelist has ${found} pages, but the database header counts ${total}`)
}

/**
 * Marks the pointer map pages as used. The first pointer map page is page 2, and the other pointer
 * map pages follow at regular distances.
 */
function usePointerMap({ count, usable, lockPage }: DatabasePages, usage: PageUsage): void {
  const interval = Math.floor(usable / 5) + 1
  for (let pgno = 2; pgno <= count; pgno += interval) {
    const map = pgno === lockPage ? pgno + 1 : pgno
    if (map <= count) usage.use(map, 'the pointer map')
  }
}

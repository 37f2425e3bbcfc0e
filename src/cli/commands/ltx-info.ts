import type { Command } from 'commander'
import { FLAG_NO_CHECKSUM } from '../../ltx/format.js'
import { formatTxid } from '../../ltx/txid.js'
import { formatBytes } from '../../util/format-bytes.js'
import { formatTimestamp } from '../../util/timestamp.js'
import { createCommand } from '../command.js'
import { inspectFile } from '../open-ltx-file.js'
import { print, printBlock, printJson } from '../output.js'

const hex = (value: bigint) => value.toString(16).padStart(16, '0')

export function ltxInfoCommand(): Command {
  return createCommand('info', {
    summary: 'Show the header, sizes and trailer of LTX files.',
    description:
      'Shows the header, sizes and trailer of LTX files. Reads header, page index and trailer. To check the pages, use `ltx verify`.',
    examples: [
      ['ltx info 0000000000000001-0000000000000001.ltx', 'show one file'],
      ['ltx info -json *.ltx', 'print several files as a JSON list'],
    ],
  })
    .argument('<file...>', 'local LTX files')
    .option('--json', 'print JSON')
    .action(async (files: string[], flags: { readonly json?: boolean }) => {
      const all = await Promise.all(files.map(describe))
      if (flags.json) printJson(all)
      else {
        for (const [i, info] of all.entries()) {
          if (i > 0) print('')
          printBlock({
            ...info,
            flags: info.checksums ? 'none' : 'no database checksums',
            size: `${info.size} (${formatBytes(info.size)})`,
            checksums: info.checksums ? 'yes' : 'no',
          })
        }
      }
    })
}

async function describe(path: string) {
  const { header, ...summary } = await inspectFile(path)
  return {
    file: path,
    size: summary.fileSize,
    flags: header.flags,
    page_size: header.pageSize,
    commit: header.commit,
    database_size: header.commit * header.pageSize,
    min_txid: formatTxid(header.minTxid),
    max_txid: formatTxid(header.maxTxid),
    timestamp: formatTimestamp(header.timestamp),
    pages: summary.pageCount,
    page_bytes: summary.frameBytes,
    index_bytes: summary.indexSize,
    checksums: (header.flags & FLAG_NO_CHECKSUM) === 0,
    pre_apply_checksum: hex(header.preApplyChecksum),
    post_apply_checksum: hex(summary.postApplyChecksum),
    file_checksum: hex(summary.fileChecksum),
    wal_offset: header.walOffset,
    wal_size: header.walSize,
    wal_salt1: header.walSalt1.toString(16).padStart(8, '0'),
    wal_salt2: header.walSalt2.toString(16).padStart(8, '0'),
  }
}

import type { Command } from 'commander'
import { formatTxid } from '../../ltx/txid.js'
import { type KeptBuffer, readKeptBuffer } from '../../replica/worker/write/kept-buffer.js'
import { formatBytes } from '../../util/format-bytes.js'
import { formatTimestamp } from '../../util/timestamp.js'
import { createCommand } from '../command.js'
import { ExitStatus } from '../exit-status.js'
import { printBlock, printJson } from '../output.js'

export function bufferShowCommand(): Command {
  return createCommand('show', {
    summary: 'Show the contents of a write buffer.',
    description:
      'Shows the replica of a write buffer, the TXID that its first commit follows, its commits, the last upload that its writer began, and the position of damage. The command changes nothing, and works while a process has the buffer open. The exit status is 1 if the buffer is damaged.',
    examples: [
      ['buffer show app.buffer', 'print the contents as text'],
      [
        'buffer show -json app.buffer',
        '{"file", "replica", "base_txid", "commits", "bytes", "size", "torn_bytes", "last_upload", "damage"}',
      ],
    ],
  })
    .argument('<file>', 'write buffer')
    .option('--json', 'print JSON')
    .action(async (file: string, flags: { readonly json?: boolean }) => {
      const kept = await readKeptBuffer(file)
      const shown = bufferJson(kept)
      if (flags.json) printJson(shown)
      else printBlock(lines(kept))
      if (kept.damage) throw new ExitStatus(1)
    })
}

/** Returns the JSON form of a buffer, which all `buffer` commands print. */
export function bufferJson({ file, size, content, damage }: KeptBuffer) {
  const { header, commits, upload, length } = content
  return {
    file,
    replica: header.url,
    base_txid: formatTxid(header.txid),
    commits: commits.length,
    bytes: commits.reduce((sum, { length }) => sum + length, 0),
    size,
    torn_bytes: damage ? 0 : size - length,
    last_upload: upload
      ? {
          txid: formatTxid(upload.txid),
          commits: upload.count,
          timestamp: formatTimestamp(upload.timestamp),
          size: upload.size,
          checksum: upload.checksum,
        }
      : null,
    damage: damage ? { offset: damage.offset, error: damage.message } : null,
  }
}

function lines(kept: KeptBuffer): Record<string, string | number> {
  const { last_upload, damage, torn_bytes, bytes, size, ...plain } = bufferJson(kept)
  const upload = last_upload
    ? `TXID ${last_upload.txid}, the first ${last_upload.commits} commits, ${last_upload.timestamp}`
    : 'none'
  return {
    ...plain,
    ...(damage ? { commits: `${plain.commits} before the damage` } : {}),
    bytes: `${bytes} (${formatBytes(bytes)})`,
    size: `${size} (${formatBytes(size)})`,
    last_upload: upload,
    ...(torn_bytes > 0
      ? { torn_bytes: `${torn_bytes} (an incomplete commit at the end, which was not acknowledged)` }
      : {}),
    damage: damage ? `at byte ${damage.offset}: ${damage.error}` : 'none',
  }
}

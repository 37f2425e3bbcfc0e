import type { Command } from 'commander'
import { LitestreamError } from '../../errors.js'
import { writeDurably } from '../../fs/durable.js'
import { fsError, isErrno } from '../../fs/fs-error.js'
import { formatFileName } from '../../ltx/file-name.js'
import { decodeHeader } from '../../ltx/header.js'
import { formatTxid } from '../../ltx/txid.js'
import { type KeptBuffer, readKeptBuffer } from '../../replica/worker/write/kept-buffer.js'
import { mergeCommits } from '../../replica/worker/write/merge-commits.js'
import { formatBytes } from '../../util/format-bytes.js'
import { createCommand } from '../command.js'
import { print, printJson, warn } from '../output.js'

interface ExportFlags {
  readonly output: string
  readonly partial?: boolean
  readonly json?: boolean
}

export function bufferExportCommand(): Command {
  return createCommand('export', {
    summary: 'Write the commits of a write buffer to one LTX file.',
    description:
      'Merges all commits of a write buffer into one LTX file that follows the base TXID of the buffer. The buffer is not changed. An existing file is not replaced. From a damaged buffer, -partial exports the commits before the damage.',
    examples: [
      ['buffer export -o lost.ltx app.buffer', 'export all commits'],
      ['buffer export -partial -o lost.ltx app.buffer', 'export the commits before the damage'],
      [
        'buffer export -json -o lost.ltx app.buffer',
        '{"file", "output", "base_txid", "txid", "commits", "size", "partial"}',
      ],
    ],
  })
    .argument('<file>', 'write buffer')
    .requiredOption('-o, --output <file>', 'the LTX file to write')
    .option('--partial', 'if the buffer is damaged, export the commits before the damage')
    .option('--json', 'print JSON')
    .action(async (file: string, { output, partial, json }: ExportFlags) => {
      const kept = await readKeptBuffer(file)
      checkComplete(kept, partial === true)
      const { header, commits } = kept.content
      const txid = header.txid + 1
      const size = await writeMerged(kept, txid, output)
      const base = formatTxid(header.txid)
      if (kept.damage) warn(`${kept.damage.message}; the commits after the damage are not exported`)
      if (json) {
        const shown = { file, output, base_txid: base, txid: formatTxid(txid), commits: commits.length, size }
        printJson({ ...shown, partial: kept.damage !== undefined })
        return
      }
      print(`exported ${commits.length} commits to ${output} (${formatBytes(size)})`)
      print(
        `${output} follows TXID ${base} of ${header.url}; its path in the replica is ltx/0/${formatFileName(txid, txid)}`,
      )
    })
}

function checkComplete({ file, content, damage }: KeptBuffer, partial: boolean): void {
  const { commits } = content
  if (damage && !partial) {
    throw new LitestreamError('BUFFER_DAMAGED', damage.message, {
      file,
      offset: damage.offset,
      cause: damage,
      hint: `Add -partial to export only the commits before the damaged part of the write buffer (number of these commits: ${commits.length}).`,
    })
  }
  if (commits.length > 0) return
  throw new LitestreamError(
    'NOT_FOUND',
    `the write buffer ${file} has no commits${damage ? ' before the damage' : ''}`,
    {
      file,
      hint: `Run \`litestream-ts buffer discard ${file}\` to remove the buffer.`,
    },
  )
}

/** Returns the size of the written file in bytes. Throws OUTPUT_EXISTS. */
async function writeMerged({ content: { commits } }: KeptBuffer, txid: number, output: string): Promise<number> {
  const { timestamp } = decodeHeader(commits.at(-1)!, 'the last commit of the buffer')
  const merged = await mergeCommits(commits, { txid, timestamp })
  try {
    return await writeDurably(output, merged, { createOnly: true })
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw fsError(error, 'writing', output)
    throw new LitestreamError('OUTPUT_EXISTS', `cannot export, output path already exists: ${output}`, {
      file: output,
      hint: 'Set -o to a path at which no file exists.',
      cause: error,
    })
  }
}

import type { Command } from 'commander'
import { formatTxid } from '../../ltx/txid.js'
import { discardBuffer } from '../../replica/worker/write/kept-buffer.js'
import { createCommand } from '../command.js'
import { print, printJson } from '../output.js'
import { bufferJson } from './buffer-show.js'

export function bufferDiscardCommand(): Command {
  return createCommand('discard', {
    summary: 'Delete a write buffer with its commits.',
    description:
      'Deletes a write buffer, even if the buffer is damaged. Commits that are in the buffer but not in the store are lost: run `buffer export` first. Refuses a buffer that another process has open, and a file that is not a write buffer.',
    examples: [
      ['buffer discard app.buffer', 'delete the buffer and print its contents'],
      ['buffer discard -json app.buffer', 'delete the buffer and print its contents as `buffer show -json` does'],
    ],
  })
    .argument('<file>', 'write buffer')
    .option('--json', 'print JSON')
    .action(async (file: string, flags: { readonly json?: boolean }) => {
      const kept = await discardBuffer(file)
      const { header, commits } = kept.content
      if (flags.json) printJson(bufferJson(kept))
      else print(`discarded ${file}: ${commits.length} commits after TXID ${formatTxid(header.txid)} of ${header.url}`)
    })
}

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
      'Deletes a write buffer, also a damaged one. Commits in it that the store does not have are lost: export them first. Refuses a buffer that another process has open, and a file that is not a write buffer.',
    examples: [
      ['buffer discard app.buffer', 'delete it, and print its contents'],
      ['buffer discard -json app.buffer', 'the same as JSON, in the form of `buffer show -json`'],
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

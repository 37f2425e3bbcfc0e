import type { Command } from 'commander'
import { createCommand } from '../command.js'
import { bufferDiscardCommand } from './buffer-discard.js'
import { bufferExportCommand } from './buffer-export.js'
import { bufferShowCommand } from './buffer-show.js'

export function bufferCommand(): Command {
  return createCommand('buffer', {
    summary: 'Show, export or discard the write buffer of a replica.',
    description:
      'Works on the file that `buffer_path` names: commits that a writer acknowledged and that the store may not have yet. Opening the replica with the same buffer uploads them. These commands are for a buffer that does not continue its replica any more (`WRITE_CONFLICT`) or is damaged (`BUFFER_DAMAGED`).',
    examples: [
      ['buffer show app.buffer', 'what it holds, and for which replica'],
      ['buffer export -o lost.ltx app.buffer', 'keep its commits as one LTX file'],
      ['buffer discard app.buffer', 'delete it, with its commits'],
    ],
  })
    .addCommand(bufferShowCommand())
    .addCommand(bufferExportCommand())
    .addCommand(bufferDiscardCommand())
}

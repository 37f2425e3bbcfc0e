import type { Command } from 'commander'
import { createCommand } from '../command.js'
import { bufferDiscardCommand } from './buffer-discard.js'
import { bufferExportCommand } from './buffer-export.js'
import { bufferShowCommand } from './buffer-show.js'

export function bufferCommand(): Command {
  return createCommand('buffer', {
    summary: 'Show, export or discard the write buffer of a replica.',
    description:
      'Contains the commands for the file that `buffer_path` names. The file stores commits that a writer acknowledged and that the store may not have yet. Opening the replica with the same buffer uploads them. These commands are for a buffer that no longer continues its replica (`WRITE_CONFLICT`) or is damaged (`BUFFER_DAMAGED`).',
    examples: [
      ['buffer show app.buffer', 'its commits, and the replica that they belong to'],
      ['buffer export -o lost.ltx app.buffer', 'save its commits as one LTX file'],
      ['buffer discard app.buffer', 'delete it with its commits'],
    ],
  })
    .addCommand(bufferShowCommand())
    .addCommand(bufferExportCommand())
    .addCommand(bufferDiscardCommand())
}

import type { Command } from 'commander'
import { createCommand } from '../command.js'
import { bufferDiscardCommand } from './buffer-discard.js'
import { bufferExportCommand } from './buffer-export.js'
import { bufferShowCommand } from './buffer-show.js'

export function bufferCommand(): Command {
  return createCommand('buffer', {
    summary: 'Show, export or discard the write buffer of a replica.',
    description:
      'Contains the commands for a write buffer, the file that `buffer_path` names. A write buffer stores commits that a writer acknowledged and that may not be in the store yet. Opening the replica with the same buffer uploads these commits. Use these commands if a buffer no longer continues its replica (`WRITE_CONFLICT`) or is damaged (`BUFFER_DAMAGED`).',
    examples: [
      ['buffer show app.buffer', 'show the commits of the buffer and their replica'],
      ['buffer export -o lost.ltx app.buffer', 'save the commits of the buffer as one LTX file'],
      ['buffer discard app.buffer', 'delete the buffer with its commits'],
    ],
  })
    .addCommand(bufferShowCommand())
    .addCommand(bufferExportCommand())
    .addCommand(bufferDiscardCommand())
}

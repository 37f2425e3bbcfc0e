import type { Command } from 'commander'
import { LitestreamError } from '../../errors.js'
import { createCommand } from '../command.js'

/**
 * The `wal` command of Litestream 0.3. The command only prints that `ltx` replaces `wal`. Since
 * Litestream 0.5, replicas contain LTX files.
 */
export function walCommand(): Command {
  return createCommand('wal', {
    summary: 'The command wal is now ltx.',
    description: 'Replicas contain LTX files since Litestream 0.5: use `litestream-ts ltx` instead of `wal`.',
    examples: [],
  })
    .argument('[args...]')
    .allowUnknownOption()
    .action((args: string[]) => {
      const target = args.find((arg) => !arg.startsWith('-')) ?? 'URL'
      throw new LitestreamError('INVALID_ARGUMENT', 'the command `wal` is now `ltx`', {
        hint: `Run litestream-ts ltx ${target} to list the LTX files of the replica.`,
      })
    })
}

import type { Command } from 'commander'
import { createCommand } from '../command.js'
import { ltxApplyCommand } from './ltx-apply.js'
import { ltxChecksumCommand } from './ltx-checksum.js'
import { ltxDumpCommand } from './ltx-dump.js'
import { ltxEncodeDbCommand } from './ltx-encode-db.js'
import { ltxInfoCommand } from './ltx-info.js'
import { ltxListCommand } from './ltx-list.js'
import { ltxVerifyCommand } from './ltx-verify.js'

export function ltxCommand(): Command {
  return createCommand('ltx', {
    summary: 'List, show, check, dump, apply and create LTX files.',
    description:
      'Contains the commands for LTX files. `litestream-ts ltx URL` is short for `litestream-ts ltx list URL`.',
    examples: [
      ['ltx file:///var/backups/app.db', 'list the level 0 files of a replica'],
      ['ltx -level all s3://bucket/app.db', 'list the files of all levels'],
      ['ltx verify *.ltx', 'check every byte of local files'],
    ],
  })
    .addCommand(ltxListCommand(), { isDefault: true })
    .addCommand(ltxInfoCommand())
    .addCommand(ltxVerifyCommand())
    .addCommand(ltxDumpCommand())
    .addCommand(ltxApplyCommand())
    .addCommand(ltxChecksumCommand())
    .addCommand(ltxEncodeDbCommand())
}

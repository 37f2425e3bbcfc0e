import type { Command } from 'commander'
import { clientOptions } from '../../config/open-configured-replica.js'
import { LitestreamError } from '../../errors.js'
import { formatTxid } from '../../ltx/txid.js'
import { handOver } from '../../primary/hand-over.js'
import { isUrl } from '../../storage/url.js'
import { addConfigFlags, type ConfigFlags, configOf, createCommand } from '../command.js'
import { print, printJson } from '../output.js'
import { abortOnSignals } from '../signals.js'
import { findDatabase } from '../target.js'

interface HandoverFlags extends ConfigFlags {
  readonly json?: boolean
}

export function handoverCommand(): Command {
  const command = createCommand('handover', {
    summary: 'Prepare a database so that Litestream can continue its replication.',
    description:
      'Uploads all commits and empties the WAL, so that Litestream 0.5 can continue with the same database and the same replica. Stop litestream-ts first, and start Litestream directly afterwards. Litestream writes a replica that cannot be restored if commits and a checkpoint happen between the end of one program and the start of the other, so it is safest to stop the application too. The exit status is 1 if the database is in use, or if some commits could not be uploaded. After a failed handover, the replica is still valid.',
    examples: [
      ['handover -config litestream.yml /var/lib/app.db', 'hand over a configured database'],
      ['handover app.db s3://bucket/app.db', 'hand over a database that is not configured'],
    ],
  })
  return addConfigFlags(command)
    .argument('<db>', 'path of a database')
    .argument('[url]', 'replica URL, for a database that is not configured')
    .option('--json', 'print JSON')
    .action(async (db: string, url: string | undefined, flags: HandoverFlags) => {
      const { path, replica, options } = await targetOf(db, url, flags)
      const { replicaTxid } = await abortOnSignals((signal) => handOver(path, replica, { ...options, signal }))
      const txid = formatTxid(replicaTxid ?? 0)
      if (flags.json) printJson({ db_path: path, txid })
      else {
        print(`the replica has every commit up to TXID ${txid}, and the WAL is empty`)
        print(`start Litestream now: litestream replicate ${url === undefined ? '-config FILE' : `${db} URL`}`)
      }
    })
}

async function targetOf(db: string, url: string | undefined, flags: HandoverFlags) {
  if (url === undefined) {
    const database = findDatabase(await configOf(flags), db)
    return {
      path: database.path,
      replica: database.replica.url.reveal(),
      options: {
        metaPath: database.metaPath,
        busyTimeout: database.busyTimeout,
        storage: clientOptions(database.replica, database.path),
      },
    }
  }
  if (flags.config) {
    throw new LitestreamError('INVALID_ARGUMENT', 'cannot use -config with a replica URL', {
      hint: 'Remove -config to use a replica URL, or keep -config and give the path of a configured database.',
    })
  }
  if (!isUrl(url)) {
    throw new LitestreamError('INVALID_ARGUMENT', `not a replica URL: ${JSON.stringify(url)}`, {
      hint: 'Write the replica as a URL, such as file:///var/backups/app.db or s3://bucket/app.db.',
    })
  }
  return { path: db, replica: url, options: {} }
}

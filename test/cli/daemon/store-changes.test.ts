// A store changes under a running daemon: its bucket is deleted and created again, or the
// credentials expire and are replaced. The daemon reports it and continues without a restart.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { CreateBucketCommand } from '@aws-sdk/client-s3'
import { generateBlobSASQueryParameters, StorageSharedKeyCredential } from '@azure/storage-blob'
import Database from 'better-sqlite3'
import {
  AZURE_ACCOUNT,
  AZURE_KEY,
  azureContainer,
  azureEndpoint,
  azureMissing,
  azureUrl,
  newContainer,
} from '../../support/azure.js'
import { notRun } from '../../support/not-run.js'
import { removeBucket, s3Bucket, s3Sdk, s3Server, s3Url } from '../../support/s3.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { until } from '../../support/until.js'
import { run } from '../run.js'
import { createDatabase, type Daemon, insertRow, rowsOf, startDaemonWith } from './daemon-of-two.js'

/** A daemon that replicates one database; `replica`: the lines of its replica in the configuration. */
function daemonOf(t: TestContext, replica: string) {
  const dir = temporaryDirectory(t)
  const file = path.join(dir, 'app.db')
  const config = path.join(dir, 'litestream.yml')
  const socket = path.join(dir, 'control.sock')
  const configure = (lines: string) =>
    writeFileSync(
      config,
      `addr: 127.0.0.1:0
shutdown-sync-timeout: 0s
socket: { enabled: true, path: ${socket} }
dbs:
  - { path: ${file}, monitor-interval: 20ms, replica: { ${lines}, sync-interval: 20ms } }
`,
    )
  createDatabase(file)
  configure(replica)
  const daemon = startDaemonWith(t, config)
  return { file, daemon, configure, reload: () => run(['reload', '-json', '-socket', socket]) }
}

/** The error of the only database, once it has one. */
async function errorOf(daemon: Daemon) {
  const { databases } = await daemon.status()
  return databases[0]!.error
}

test('if a bucket is deleted and created again while a daemon runs, the daemon uploads a snapshot', async (t) => {
  const bucket = await s3Bucket(t)
  const { file, daemon } = daemonOf(t, `url: "${s3Url(bucket)}"`)
  await until('it is replicated', async () => (await rowsOf(t, s3Url(bucket))) === 1)
  await until('the bucket is gone', () =>
    removeBucket(bucket).then(
      () => true,
      () => false, // a file was uploaded in between
    ),
  )
  insertRow(file)
  const error = await until('the daemon reports it', () => errorOf(daemon))
  assert.deepEqual([error.code, (await daemon.health()).status], ['NOT_FOUND', 503])
  assert.match(error.hint ?? '', /^Create the bucket/)
  const sdk = s3Sdk(s3Server())
  await sdk.send(new CreateBucketCommand({ Bucket: bucket }))
  sdk.destroy()
  await until('everything is in the new bucket', async () => (await rowsOf(t, s3Url(bucket))) === 2, 60_000)
  insertRow(file)
  await until('and what follows', async () => (await rowsOf(t, s3Url(bucket))) === 3, 60_000)
  await until('all is well', async () => (await daemon.health()).status === 200)
  assert.equal(await daemon.stop(), 0, daemon.stderr())
})

test('if a SAS token expires while a daemon runs, the errors name the token until a reload sets another token', async (t) => {
  if (azureMissing !== undefined) return notRun(t, 'Azurite', azureMissing)
  const container = await newContainer(t)
  const credential = new StorageSharedKeyCredential(AZURE_ACCOUNT, AZURE_KEY)
  // The token has the permissions and the end of a policy of the container.
  const token = (identifier: string) =>
    generateBlobSASQueryParameters({ containerName: container, identifier }, credential).toString()
  const endsIn = (hours: number) => {
    const now = Date.now()
    const [startsOn, expiresOn] = [new Date(now - 2 * 3_600_000), new Date(now + hours * 3_600_000)]
    const policy = (id: string, end: Date) => ({ id, accessPolicy: { startsOn, expiresOn: end, permissions: 'rwdlc' } })
    const policies = [policy('first', expiresOn), policy('second', new Date(now + 3_600_000))]
    return azureContainer(container).setAccessPolicy(undefined, policies)
  }
  await endsIn(1)
  const replica = (sas: string) =>
    `type: abs, account-name: ${AZURE_ACCOUNT}, bucket: ${container}, path: app.db, endpoint: "${azureEndpoint()}", sas-token: "${sas}"`
  const { file, daemon, configure, reload } = daemonOf(t, replica(token('first')))
  const rows = () => rowsOf(t, azureUrl(container))
  await until('it is replicated', async () => (await rows()) === 1)
  await endsIn(-1)
  insertRow(file)
  const error = await until('the daemon reports it', () => errorOf(daemon))
  assert.equal(error.code, 'ACCESS_DENIED')
  assert.match(error.hint ?? '', /SAS token/)
  assert.equal((await daemon.health()).status, 503)
  configure(replica(token('second')))
  const { stdout, stderr } = await reload()
  assert.deepEqual((JSON.parse(stdout) as { changed: string[] }).changed, [file], stderr)
  insertRow(file)
  await until('everything is replicated', async () => (await daemon.health('?max-lag=1s')).status === 200, 60_000)
  assert.equal(await daemon.stop(), 0, daemon.stderr())
  const db = new Database(file, { readonly: true })
  assert.equal(await rows(), db.prepare('SELECT count(*) FROM t').pluck().get())
  db.close()
})

import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { replicateOnce } from '../../src/primary/replicate-once.js'
import { contentHashes } from '../support/content.js'
import { copyRealDatabase } from '../support/real-database.js'
import { connect, integrity, openTestReplica } from '../support/replica.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

test('every table of a real database with 80 tables has equal content through the VFS', async (t) => {
  const directory = temporaryDirectory(t)
  const file = copyRealDatabase(directory)
  const url = pathToFileURL(path.join(directory, 'replica')).href
  await replicateOnce(file, url)
  const replica = await openTestReplica(t, url)
  const expected = contentHashes(file)
  assert.ok(Object.keys(expected).length > 35)
  assert.deepEqual(contentHashes(replica.uri), expected)
  assert.equal(integrity(connect(t, replica.uri)), 'ok')
})

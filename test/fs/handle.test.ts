import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { writeDurably } from '../../src/fs/durable.js'
import { ownershipLikeSync } from '../../src/fs/owner.js'
import { writeOwnDurably } from '../../src/fs/write-own.js'
import { packageRoot } from '../../src/package-files.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

test('no source file calls a method of a FileHandle that Yarn Plug’n’Play does not have', () => {
  const folder = path.join(packageRoot(), 'src')
  const missing = /[hH]andle\.(sync|datasync|utimes|readv|writev)\(|journal\.sync\(|await using _/
  const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
  assert.ok(sources.length > 200)
  for (const file of sources) {
    for (const [i, line] of readFileSync(path.join(folder, file), 'utf8').split('\n').entries()) {
      assert.doesNotMatch(line, missing, `${file}:${i + 1}`)
    }
  }
})

test('every way to write a file sets the modification time to exactly the given millisecond', async (t) => {
  const folder = temporaryDirectory(t)
  const ownership = ownershipLikeSync(folder)!
  async function* body(): AsyncGenerator<Uint8Array> {
    yield Uint8Array.of(1)
  }
  // As seconds in a double, about half of all milliseconds are a little less than they should be.
  for (let mtime = 1_764_551_000_000; mtime < 1_764_551_000_020; mtime++) {
    const [own, other] = [path.join(folder, `own-${mtime}`), path.join(folder, `other-${mtime}`)]
    await writeOwnDurably(own, body(), { mtime, ownership })
    await writeDurably(other, body(), { mtime })
    for (const file of [own, other]) assert.equal(statSync(file, { bigint: true }).mtimeNs, BigInt(mtime) * 1_000_000n)
  }
})

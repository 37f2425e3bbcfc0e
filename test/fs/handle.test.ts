import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { packageRoot } from '../../src/package-files.js'

test('no code calls a method of a FileHandle that Yarn Plug’n’Play does not have', () => {
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

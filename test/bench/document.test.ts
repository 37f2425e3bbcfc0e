import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { renderDocument, typedFigures } from '../../bench/support/document.js'
import { packageRoot } from '../../src/native.js'

const read = (file: string) => readFileSync(path.join(packageRoot(), file), 'utf8')

test('docs/performance.md says what bench/results says', () => {
  const message = 'run `npm run bench:docs`'
  assert.equal(read('docs/performance.md'), renderDocument(read('bench/performance.template.md')), message)
})

test('no figure of the document is typed in', () => {
  assert.deepEqual(typedFigures(read('bench/performance.template.md')), [])
})

test('a placeholder that fits nothing is an error', () => {
  assert.throws(() => renderDocument('{{warm.warm ratio mode=none}}'), /0 rows fit/)
})

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { LARGE, QUESTIONS } from '../../bench/questions.js'
import { measuredFigures, renderDocument, typedFigures } from '../../bench/support/document.js'
import { GOALS } from '../../bench/support/goals.js'
import { packageRoot } from '../../src/package-files.js'

const read = (file: string) => readFileSync(path.join(packageRoot(), file), 'utf8')
const template = read('bench/performance.template.md')

test('docs/performance.md contains the results in bench/results', () => {
  assert.equal(read('docs/performance.md'), renderDocument(template), 'run `npm run bench:docs`')
})

test('docs/performance.md contains no figure that was written by hand', () => {
  assert.deepEqual(typedFigures(template), [])
})

test('documents other than docs/performance.md contain no measured figure that was written by hand', () => {
  const docs = readdirSync(path.join(packageRoot(), 'docs')).filter((file) => file.endsWith('.md'))
  for (const file of ['README.md', ...docs.map((file) => `docs/${file}`)]) {
    if (file !== 'docs/performance.md') assert.deepEqual(measuredFigures(read(file)), [], file)
  }
})

test('a placeholder in docs/performance.md is refused if bench/results has no result for the placeholder', () => {
  assert.throws(() => renderDocument('{{warm.warm ratio mode=none}}'), /0 rows fit/)
})

test('docs/performance.md has the tables of every benchmark question, and every goal in docs/performance.md refers to a question', () => {
  for (const { name } of QUESTIONS) assert.match(template, new RegExp(`\\{\\{tables ${name}\\}\\}`))
  for (const { question, posts, only } of LARGE) {
    if (!only) assert.match(template, new RegExp(`\\{\\{tables ${question.name}-${posts}\\}\\}`))
  }
  const names = QUESTIONS.map(({ name }) => name)
  for (const { text, result } of GOALS) assert.ok(names.includes(result), text)
})

test('every file in bench/results is small, belongs to an existing benchmark question and has no raw samples', () => {
  const names = QUESTIONS.map(({ name }) => name)
  for (const file of readdirSync(path.join(packageRoot(), 'bench/results'))) {
    assert.ok(
      names.some((name) => new RegExp(`^${name}(-\\d+)?(-.+-\\d+\\.svg|\\.json)$`).test(file)),
      file,
    )
    assert.ok(read(`bench/results/${file}`).length < 100_000, file)
  }
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  listOf,
  literal,
  number,
  optional,
  pairOf,
  record,
  text,
  tryReadJson,
  u32,
  where,
  whole,
} from '../../src/util/json-shape.js'

const shape = record({
  version: literal(1),
  name: text,
  count: whole(0),
  salt: u32,
  time: number,
  pair: pairOf(u32),
  names: listOf(text),
  size: where(number, (value) => value % 512 === 0, 'a page size'),
  more: optional(record({ id: text })),
})
const right = { version: 1, name: 'a', count: 0, salt: 2 ** 32 - 1, time: 1.5, pair: [1, 2], names: [], size: 4096 }

test('JSON of the expected form is parsed, and unknown keys are ignored', () => {
  assert.deepEqual(shape({ ...right, more: { id: 'x', other: 1 }, unknown: 1 }), { ...right, more: { id: 'x' } })
  assert.deepEqual(tryReadJson(shape, JSON.stringify(right)), right)
})

test('JSON of another form is refused, and the error names the wrong key', () => {
  const cases: readonly (readonly [object, RegExp])[] = [
    [{ version: 2 }, /^version is not 1$/],
    [{ name: 1 }, /^name is not a text$/],
    [{ name: undefined }, /^name is not a text$/],
    [{ count: -1 }, /^count is not a whole number from 0/],
    [{ count: 0.5 }, /^count/],
    [{ count: 2 ** 53 }, /^count/],
    [{ salt: 2 ** 32 }, /^salt/],
    [{ time: Number.NaN }, /^time is not a number$/],
    [{ time: '1' }, /^time/],
    [{ pair: [1] }, /^pair is not a pair$/],
    [{ pair: [1, 2, 3] }, /^pair is not a pair$/],
    [{ pair: [1, 'x'] }, /^pair\[1\]/],
    [{ names: 'a' }, /^names is not a list$/],
    [{ names: [1] }, /^names\[0\] is not a text$/],
    [{ size: 100 }, /^size is not a page size$/],
    [{ more: [] }, /^more is not an object$/],
    [{ more: {} }, /^more\.id is not a text$/],
    [{ more: null }, /^more/],
  ]
  for (const [wrong, message] of cases) {
    assert.throws(() => shape({ ...right, ...wrong }), { name: 'TypeError', message }, JSON.stringify(wrong))
    assert.equal(tryReadJson(shape, JSON.stringify({ ...right, ...wrong })), undefined)
  }
  for (const json of ['', '{', 'null', '[]', '1', '{}']) assert.equal(tryReadJson(shape, json), undefined)
})

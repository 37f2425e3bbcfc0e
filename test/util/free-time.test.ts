import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import path from 'node:path'
import { test } from 'node:test'
import { parseFreeTime } from '../../src/util/free-time.js'

/** A Wednesday, three days after the clocks of New York went forward. */
const NOW = Date.parse('2026-03-11T15:04:05.678Z')

const MEANINGS: Readonly<Record<string, string>> = {
  now: '2026-03-11T15:04:05.678Z',
  'an hour ago': '2026-03-11T14:04:05.678Z',
  'half an hour ago': '2026-03-11T14:34:05.678Z',
  '90 minutes ago': '2026-03-11T13:34:05.678Z',
  '2 hours and 5 minutes ago': '2026-03-11T12:59:05.678Z',
  '1 month ago': '2026-02-11T15:04:05.678Z',
  '2 years ago': '2024-03-11T15:04:05.678Z',
  today: '2026-03-11T15:04:05.678Z',
  Yesterday: '2026-03-10T15:04:05.678Z',
  ' yesterday  at 17:30 ': '2026-03-10T17:30:00.000Z',
  'yesterday at 5pm': '2026-03-10T17:00:00.000Z',
  'yesterday at 05:00': '2026-03-10T05:00:00.000Z',
  'yesterday at 17:30:15 +02:00': '2026-03-10T15:30:15.000Z',
  'the day before yesterday': '2026-03-09T15:04:05.678Z',
  'last monday': '2026-03-09T00:00:00.000Z',
  'last friday at 17:30:15': '2026-03-06T17:30:15.000Z',
  // This time of day does not exist in New York.
  'march 8 at 02:30': '2026-03-08T02:30:00.000Z',
  '3 days ago at 02:30': '2026-03-08T02:30:00.000Z',
  '5 march 2026': '2026-03-05T00:00:00.000Z',
  '5 March 2026 10:00 UTC': '2026-03-05T10:00:00.000Z',
  'Mon, 02 Mar 2026 15:04:05 GMT': '2026-03-02T15:04:05.000Z',
  noon: '2026-03-11T12:00:00.000Z',
  'at 14:00': '2026-03-11T14:00:00.000Z',
}

test('a time in words, such as yesterday, is interpreted in UTC', async () => {
  for (const [text, time] of Object.entries(MEANINGS)) {
    assert.equal(new Date(await parseFreeTime(text, NOW)).toISOString(), time, text)
  }
})

test('the time zone of the machine does not affect the meaning of a time in words', () => {
  const module = path.join(import.meta.dirname, '../../src/util/free-time.js')
  const script = `const { parseFreeTime } = await import(${JSON.stringify(module)})
    const times = {}
    for (const text of ${JSON.stringify(Object.keys(MEANINGS))}) times[text] = new Date(await parseFreeTime(text, ${NOW})).toISOString()
    console.log(JSON.stringify(times))`
  for (const TZ of ['America/New_York', 'Pacific/Kiritimati']) {
    const output = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
      env: { ...process.env, TZ },
      encoding: 'utf8',
    })
    assert.deepEqual(JSON.parse(output), MEANINGS, TZ)
  }
})

test('a time in words is refused unless the words mean exactly one past time, and the error states the reason and the accepted forms', async () => {
  const refusals: Readonly<Record<string, RegExp>> = {
    '': /names no time/,
    gibberish: /names no time/,
    'yesterday-ish': /only the part "yesterday" is a time/,
    'restore yesterday please': /only the part "yesterday"/,
    '1/2/2026': /order of day and month/,
    '3.4.2026': /order of day and month/,
    'yesterday at 5': /before or after noon/,
    'yesterday at 12': /before or after noon/,
    march: /names no day/,
    '2025': /names no/,
    'last week': /"last week" names no exact time/,
    'last month': /no exact time/,
    'this morning': /no exact time/,
    'last night': /no exact time/,
    'a few minutes ago': /no exact time/,
    '10:00 - 12:00': /more than one time/,
    'yesterday at 5pm EST': /zones are written/,
    'monday, march 3 2026': /weekday does not belong to the date/,
    'feb 30 2026': /./,
    tomorrow: /in the future/,
    'in 5 minutes': /in the future/,
    'at 18:00': /in the future/,
    [`yesterday${' '.repeat(50)}${'x'.repeat(1_000_000)}`]: /more than 100 characters/,
  }
  for (const [text, message] of Object.entries(refusals)) {
    await assert.rejects(parseFreeTime(text, NOW), (error: { code: string; message: string; hint: string }) => {
      assert.equal(error.code, 'INVALID_ARGUMENT')
      assert.match(error.message, message, text)
      assert.ok(error.message.length < 300)
      assert.match(error.hint, /RFC 3339.*yesterday at 17:30/)
      return true
    })
  }
})

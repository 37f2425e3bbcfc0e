import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import {
  countFlag,
  durationFlag,
  pageFlag,
  textFlag,
  timeoutFlag,
  timestampFlag,
  txidFlag,
} from '../../../src/cli/flag-values.js'
import { formatTimestamp, parseTimestamp } from '../../../src/util/timestamp.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { run } from '../run.js'

const refused = (read: (text: string) => unknown, ...texts: string[]) => {
  for (const text of texts)
    assert.throws(() => read(text), { code: 'commander.invalidArgument' }, `${read.name} ${text}`)
}

test('the command line refuses an invalid date or time of day', () => {
  const times: Record<string, number> = {
    '2026-01-31T15:04:05Z': Date.UTC(2026, 0, 31, 15, 4, 5),
    '2026-01-31t15:04:05z': Date.UTC(2026, 0, 31, 15, 4, 5),
    '2026-01-31 15:04:05.25+01:00': Date.UTC(2026, 0, 31, 14, 4, 5, 250),
    '2026-01-31T15:04:05.123456789-00:00': Date.UTC(2026, 0, 31, 15, 4, 5, 123),
    '2024-02-29T23:59:59-23:59': Date.UTC(2024, 2, 1, 23, 58, 59),
    '2000-02-29T00:00:00Z': Date.UTC(2000, 1, 29),
  }
  for (const [text, ms] of Object.entries(times)) assert.equal(timestampFlag(text), ms, text)
  assert.equal(parseTimestamp('0001-01-01T00:00:00Z'), -62_135_596_800_000)
  refused(
    timestampFlag,
    ...['2026-02-30T00:00:00Z', '2026-02-29T00:00:00Z', '1900-02-29T00:00:00Z', '2026-04-31T00:00:00Z'],
    ...['2026-13-01T00:00:00Z', '2026-00-01T00:00:00Z', '2026-01-00T00:00:00Z', '2026-01-32T00:00:00Z'],
    ...['2026-01-01T24:00:00Z', '2026-01-01T25:00:00Z', '2026-01-01T00:60:00Z', '2026-01-01T00:00:61Z'],
    ...['2016-12-31T23:59:60Z', '2026-01-01T00:00:00+24:00', '2026-01-01T00:00:00+01:60', '2026-01-01T00:00:00+1'],
    ...[
      '2026-01-01',
      '2026-01-01T00:00:00',
      '12:00',
      '',
      '1767225600',
      '+002026-01-01T00:00:00Z',
      '٢٠٢٦-01-01T00:00:00Z',
    ],
    ...['2026-01-01T00:00:00.Z', '2026-01-01T00:00Z', ' 2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z\n', '1e400'],
  )
})

test('a time that is not a valid date is printed as invalid, and causes no error', () => {
  assert.equal(formatTimestamp(0), '1970-01-01T00:00:00.000Z')
  for (const ms of [9e15, -9e15, Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.equal(formatTimestamp(ms), `invalid time ${ms}`)
  }
})

test('an argument for a count, page number, duration or TXID is refused if its value is out of range or its spelling is not accepted', () => {
  assert.deepEqual(
    [countFlag('1'), countFlag('1000'), pageFlag('4294967295'), timeoutFlag('2')],
    [1, 1000, 2 ** 32 - 1, 2000],
  )
  assert.deepEqual(
    [durationFlag('1h30m'), timeoutFlag('500ms'), txidFlag('001fffffffffffff'), txidFlag('000000000000000F')],
    [5_400_000, 500, 2 ** 53 - 1, 15],
  )
  const never = ['', '0', '-1', '1.5', '1e3', '0x10', 'NaN', 'Infinity', '1e400', '9'.repeat(400), '٣', ' 5', '5 ']
  refused(countFlag, ...never, '1001')
  refused(pageFlag, ...never, '4294967296')
  refused(durationFlag, ...never, '5', '-1s', '0s', `${'9'.repeat(400)}h`)
  refused(timeoutFlag, '', '0', '-1', '1e3', '9'.repeat(400))
  refused(
    txidFlag,
    '',
    '1',
    '0000000000000000',
    '0020000000000000',
    'ffffffffffffffff',
    '00000000000000001',
    '0x00000000000001',
  )
  refused(textFlag, '')
})

const FLAGS: readonly (readonly string[])[] = [
  ['restore', '-txid', '0020000000000000', '-o', 'x', 'file:///none'],
  ['restore', '-timestamp', '2026-02-30T00:00:00Z', '-o', 'x', 'file:///none'],
  ['restore', '-o', '', 'file:///none'],
  ['restore', '-parallelism', '1e9', '-o', 'x', 'file:///none'],
  ['restore', '-f', '-follow-interval', '0s', '-o', 'x', 'file:///none'],
  ['restore', '-config', '', 'x.db'],
  ['restore', ''],
  ['query', '-timestamp', '2026-02-30T00:00:00Z', 'file:///none', 'SELECT 1'],
  ['query', 'file:///none', ''],
  ['replicate', '-exec', '', 'x.db', 'file:///none'],
  ['replicate', '-log-level', '', 'x.db', 'file:///none'],
  ['replicate', 'x.db', ''],
  ['ltx', 'dump', '-page', '0x1', 'x.ltx'],
  ['ltx', '-level', '', 'file:///none'],
  ['list', '-timeout', '0'],
  ['list', '-socket', ''],
  ['register', '-replica', '', 'x.db'],
  ['verify', '-parallelism', '0', 'file:///none'],
  ['hydrate', '-parallelism', '-1', '-o', 'x', 'file:///none'],
]

test('every command reports an invalid argument value in two or three lines, which state the fault and the next step', async () => {
  for (const args of FLAGS) {
    const { status, stdout, stderr } = await run(args)
    assert.deepEqual([status, stdout], [1, ''], `${args.join(' ')}: ${stderr}`)
    assert.match(stderr, /^Error: [^\n]+\n(\(Did[^\n]+\n)?Try: [^\n]+\n$/, args.join(' '))
  }
})

test('every command reports an unusable file path with a hint', async (t) => {
  const dir = temporaryDirectory(t)
  const file = path.join(dir, 'file')
  writeFileSync(file, 'text')
  const below = path.join(file, 'below')
  const long = path.join(dir, 'n'.repeat(300))
  for (const wrong of [below, long, `${dir}/${'d/'.repeat(3000)}x`]) {
    for (const args of [
      ['config', 'check', '-config', wrong],
      ['databases', '-config', wrong],
      ['ltx', 'info', wrong],
      ['ltx', 'verify', wrong],
      ['ltx', 'dump', wrong],
      ['ltx', `file://${wrong}`],
      ['restore', '-o', wrong, `file://${dir}`],
      ['restore', '-o', path.join(dir, 'out'), `file://${wrong}`],
      ['hydrate', '-o', wrong, `file://${dir}`],
      ['query', `file://${wrong}`, 'SELECT 1'],
      ['verify', `file://${wrong}`],
      ['reset', wrong],
      ['replicate', '-once', wrong, `file://${dir}/r`],
      ['list', '-socket', wrong],
    ]) {
      const { status, stderr, stdout } = await run(args)
      const all = stderr + stdout
      assert.equal(status, 1, `${args[0]}: ${all}`)
      assert.ok(!/\n {4}at |internal error|INTERNAL/.test(all), `${args.slice(0, 2).join(' ')}: ${all.slice(0, 2000)}`)
    }
  }
})

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { ago, bytes, duration, money, plural } from '../../src/status/browser/format.js'
import type { DatabaseStatus, StatusDocument, StatusSource } from '../../src/status/document.js'
import { HttpServer } from '../../src/status/http-server.js'
import { databaseVerdict, stateLabel } from '../../src/status/verdict.js'
import { startBrowser } from '../support/browser.js'
import { until } from '../support/until.js'

const HOSTILE = '<img src=x onerror="document.title=1">'
const NOW = Date.now()

function database(path: string, changes: Partial<DatabaseStatus> = {}): DatabaseStatus {
  const plain = {
    path,
    state: 'replicating' as const,
    replicaType: 's3',
    replica: 's3://bucket/app.db',
    txid: 27,
    replicaTxid: 27,
    lastSyncAt: NOW,
    lagMs: 0,
    databaseSize: 4096,
    walSize: 0,
    missingMs: undefined,
    behindMs: 0,
    divergence: undefined,
    divergenceHint: undefined,
    ownWrites: 0,
    error: undefined,
    weakFencing: undefined,
    mirrors: [],
    proof: { txid: 27, at: NOW - 1000, durationMs: 12, compared: true },
    lagHistory: [],
    samples: [0, 1, 2].map((i) => [NOW - 15_000 + i * 5000, i * 100, i, i * 4000, i * 7] as const),
    activity: {
      syncs: 3,
      walBytes: 12_000,
      uploads: 3,
      uploadedBytes: 9000,
      uploadMs: { p50: 7, p95: 14 },
      lastUpload: { txid: 27, at: NOW },
    },
    requests: {
      counts: { PUT: 30, LIST: 2, GET: 1, HEAD: 0, DELETE: 0 },
      sinceMs: 120_000,
      month: { requests: 700_000, cost: 3.5, prices: 'AWS S3 Standard' },
    },
    restorable: { from: { txid: 1, timestamp: NOW - 86_400_000 }, to: { txid: 27, timestamp: NOW } },
    restoreCommand: `litestream-ts restore -o ${path}.restored ${path}`,
    snapshots: { last: { txid: 20, at: NOW - 3_600_000, bytes: 4096 }, nextAt: NOW + 3_600_000 },
    proofInterval: 3_600_000,
    recentErrors: [],
    levels: [
      { level: 0, files: 27, bytes: 9000, minTxid: 1, maxTxid: 27, oldest: NOW - 1000, latest: NOW, newest: [] },
    ],
    levelsError: undefined,
    ...changes,
  }
  const verdict = databaseVerdict(plain)
  const hint = plain.error?.hint ?? verdict.hint
  return { ok: verdict.ok, reason: verdict.reason, hint, label: stateLabel(plain, verdict), ...plain }
}

const fault = (message: string) => ({
  operation: 'upload' as const,
  message,
  code: 'ACCESS_DENIED' as const,
  hint: 'Check the credentials.',
  since: NOW - 90_000,
  ageMs: 90_000,
  retried: true,
})

test('the status page uses only its own script and style sheet, and its security policy allows only the hashes of these two files', async (t) => {
  const { address } = await serve(t, [])
  const response = await fetch(address)
  const html = await response.text()
  const policy = response.headers.get('content-security-policy')!
  assert.doesNotMatch(policy, /unsafe|\*|https?:/)
  for (const name of ['script', 'style']) {
    const [, text] = new RegExp(`<${name}>([\\s\\S]*?)</${name}>`).exec(html)!
    const hash = createHash('sha256').update(text!).digest('base64')
    assert.ok(policy.includes(`${name}-src 'sha256-${hash}'`), name)
  }
  assert.doesNotMatch(html, /https?:\/\/(?!www\.w3\.org)/, 'nothing is loaded from another server')
  const json = await fetch(`${address}/status.json`)
  assert.match(json.headers.get('content-security-policy')!, /^default-src 'none'/)
})

test('in a browser, the status page shows failing databases first, with their hints, and renders no markup that the server sends', async (t) => {
  const databases = Array.from({ length: 200 }, (_, i) => database(`/data/tenant-${String(i).padStart(3, '0')}/app.db`))
  databases.push(
    database('/data/z-failing.db', { error: fault(`putting failed: ${HOSTILE}`) }),
    database('/data/z-missing.db', { state: 'open', missingMs: 120_000, lastSyncAt: NOW - 92, restorable: undefined }),
    database(`/data/${HOSTILE}.db`, { state: 'open', missingMs: 2000 }),
  )
  const { address, asked } = await serve(t, databases)
  const browser = await startBrowser(t)
  const text = (selector: string) =>
    browser.evaluate(
      `[...document.querySelectorAll(${JSON.stringify(selector)})].map((node) => node.innerText)`,
    ) as Promise<string[]>
  for (const width of [390, 820, 1400]) {
    await browser.open(address, width)
    await until('the databases are shown', async () => (await text('article')).length === databases.length)
    assert.ok(
      ((await browser.evaluate('document.documentElement.scrollWidth')) as number) <= width,
      `no scrolling at ${width}`,
    )
  }
  assert.deepEqual(await text('.headline'), ['2 of 203 databases need attention'])
  const cards = await text('article')
  assert.match(cards[0]!, /z-failing\.db[\s\S]*failing[\s\S]*putting failed[\s\S]*Check the credentials\./)
  assert.match(cards[1]!, /z-missing\.db[\s\S]*no database file[\s\S]*missing for 2 min[\s\S]*allow-missing/)
  assert.doesNotMatch(cards[1]!, /ago|replicating/)
  assert.match(cards[2]!, /no database file/)
  assert.match(cards[3]!, /tenant-000[\s\S]*replicating[\s\S]*restorable to now/)
  const dots = `[...document.querySelectorAll('article .dot')].slice(0, 4).map((node) => node.className)`
  assert.deepEqual(await browser.evaluate(dots), ['dot bad', 'dot bad', 'dot warn', 'dot ok'])
  assert.equal(await browser.evaluate(`document.querySelectorAll('article img').length`), 0)
  assert.match((await browser.evaluate('document.title')) as string, /need attention/)

  // The details of a database, which only then are requested.
  const wanted = databases[199]!.path
  await browser.evaluate(`{
    const search = document.querySelector('input[type=search]')
    search.value = 'tenant-199'
    search.dispatchEvent(new Event('input'))
  }`)
  assert.equal((await text('article')).length, 1)
  await browser.evaluate(`document.querySelector('article button').click()`)
  await until('the details are shown', async () => (await text('canvas')).length === 3)
  assert.ok(asked.some((details) => details?.includes(wanted)))
  assert.ok(asked.every((details) => details?.every((path) => path === '' || path === wanted)))
  const [details] = await text('.details')
  for (const expected of [
    /You can restore from .* to /,
    /LAST SNAPSHOT|Last snapshot\n1 h ago, 4\.0 KiB\nnext at /,
    /Last scheduled restore\n/,
    /Upload time\n7 ms\n95 % within 14 ms/,
    /A month at this rate\n\$3\.50\n700,000 requests, prices of AWS S3 Standard/,
  ])
    assert.match(details!, expected)
  await browser.evaluate(`{
    const time = document.querySelector('input[type=datetime-local]')
    time.value = '2026-11-30T12:00:00'
    time.dispatchEvent(new Event('input'))
  }`)
  const [command] = await text('pre')
  assert.match(
    command!,
    /^litestream-ts restore -timestamp 2026-1\d-\d\dT.*Z -o \/data\/tenant-199\/app\.db\.restored \/data/,
  )
  assert.deepEqual(
    browser.reports.filter((report) => !report.includes('favicon')),
    [],
  )
})

test('the status page formats sizes, durations and prices as short texts', () => {
  assert.deepEqual([0, 1023, 1024, 10_240, 5e9].map(bytes), ['0 B', '1023 B', '1.0 KiB', '10 KiB', '4.7 GiB'])
  assert.deepEqual([0.4, 999, 1500, 61_000, 3_600_000, 90_000_000].map(duration), [
    '0 ms',
    '999 ms',
    '1.5 s',
    '1 min 1 s',
    '1 h',
    '1 d 1 h',
  ])
  assert.deepEqual([0, 0.001, 3.456, 1234.5].map(money), ['$0.00', 'less than $0.01', '$3.46', '$1,235'])
  assert.deepEqual(
    [ago(0, 500), ago(0, 2000), plural(1, 'file'), plural(2000, 'file')],
    ['now', '2.0 s ago', '1 file', '2,000 files'],
  )
})

async function serve(t: Parameters<typeof startBrowser>[0], databases: readonly DatabaseStatus[]) {
  const asked: (readonly string[] | undefined)[] = []
  const source: StatusSource = {
    metricsType: 'text/plain',
    metrics: async () => '',
    health: () => ({ status: 'ok', databases: [] }),
    status: async (details): Promise<StatusDocument> => {
      asked.push(details)
      return { version: '1', startedAt: NOW - 60_000, now: NOW, health: 'ok', databases, replicas: [], parts: [] }
    },
    onError: (_, error) => assert.fail(error),
  }
  const http = await HttpServer.listen(source, '127.0.0.1:0')
  t.after(() => http.close())
  return { address: http.address, asked }
}

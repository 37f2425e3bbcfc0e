import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { resolveOptions } from '../../../../src/replica/options.js'
import { pollInterval } from '../../../../src/replica/worker/chain/poller.js'
import { makeSource, openTestReplica } from '../../../support/replica.js'
import { s3Bucket, s3Url } from '../../../support/s3.js'

const options = (text: string) => resolveOptions(`replica_url=file:///replica\n${text}`)

test('while the replica does not change, the poll interval stays as configured unless a longer idle interval is set', () => {
  const { pollInterval: interval, idlePollInterval: idleInterval } = options('poll_interval=200ms')
  for (const idle of [0, 10, 1000]) assert.equal(pollInterval({ interval, idleInterval }, idle), 200)
})

test('with an idle interval, polls become less frequent after ten polls without new files, until the idle interval is reached', () => {
  const { pollInterval: interval, idlePollInterval: idleInterval } = options('idle_poll_interval=30s')
  const intervals = Array.from({ length: 40 }, (_, idle) => pollInterval({ interval, idleInterval }, idle))
  assert.deepEqual([...new Set(intervals.slice(0, 11))], [1000])
  for (let i = 11; i < 40; i++) assert.ok(intervals[i]! > intervals[i - 1]! || intervals[i] === 30_000)
  assert.equal(intervals.at(-1), 30_000)
})

test('the idle poll interval is limited to half of max_stale, and is never shorter than the poll interval', () => {
  assert.equal(options('idle_poll_interval=10s\nmax_stale=4s').idlePollInterval, 2000)
  assert.equal(options('idle_poll_interval=10ms').idlePollInterval, 1000, 'never more often than otherwise')
})

test('a caller that requests a poll waits for at most two polls, however many other requests follow', async (t) => {
  const { history, url } = await makeSource(t)
  await history.commit('CREATE TABLE t (n)')
  const replica = await openTestReplica(t, url)
  let answered = false
  const first = replica.refresh().then(() => {
    answered = true
  })
  const others = []
  for (; !answered && others.length < 5000; await turn()) others.push(replica.refresh())
  assert.ok(answered, 'the first is answered while others still ask')
  await Promise.all([first, ...others])
})

test('a requested poll sees every file that was written before the request, even if the L0 file was already deleted', async (t) => {
  // A store without a watch.
  const { history, client, url } = await makeSource(t, { url: s3Url(await s3Bucket(t)) })
  const hide = async () => {
    await history.snapshot()
    await client.delete(Array.from({ length: history.txid }, (_, i) => ({ level: 0, minTxid: i + 1, maxTxid: i + 1 })))
  }
  await history.commit('CREATE TABLE t (n)')
  await hide()
  const replica = await openTestReplica(t, url, { pollInterval: 3_600_000 })
  for (let i = 0; i < 3; i++) {
    await history.commit(`INSERT INTO t VALUES (${i})`)
    await hide()
    assert.equal(await replica.refresh(), history.txid)
  }
})

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { DatabaseMetrics } from '../../src/status/metrics/database-metrics.js'
import { registerReplicaMetrics } from '../../src/status/metrics/replica-metrics.js'
import { makeSource, openTestReplica } from '../support/replica.js'

interface Panel {
  readonly id: number
  readonly title: string
  readonly targets: readonly { readonly expr: string; readonly legendFormat: string }[]
}

test('every metric and label in the Grafana dashboard exists', async (t) => {
  const registry = new Registry()
  new DatabaseMetrics(registry)
  const source = await makeSource(t)
  await source.history.commit('CREATE TABLE t (v)')
  t.after(registerReplicaMetrics(registry, await openTestReplica(t, source.url)))
  const labels = new Map<string, readonly string[]>()
  for (const metric of registry.getMetricsAsArray()) {
    const { name, labelNames } = metric as unknown as { readonly name: string; readonly labelNames: readonly string[] }
    labels.set(name, labelNames)
  }

  const file = path.join(import.meta.dirname, '../../../docs/examples/grafana-dashboard.json')
  const { panels } = JSON.parse(readFileSync(file, 'utf8')) as { readonly panels: readonly Panel[] }
  const shown = new Set<string>()
  for (const { title, targets } of panels) {
    for (const { expr, legendFormat } of targets) {
      const metrics = [...expr.matchAll(/litestream_[a-z0-9_]+/g)].map(([name]) => name.replace(/_bucket$/, ''))
      assert.ok(metrics.length > 0, title)
      for (const metric of metrics) {
        shown.add(metric)
        const known = labels.get(metric)
        assert.ok(known, `${title}: ${metric}`)
        const used = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g), ...expr.matchAll(/[{,](\w+)=~/g)].map(
          ([, label]) => label!,
        )
        for (const label of used) assert.ok(label === 'job' || known.includes(label), `${title}: ${metric} ${label}`)
      }
    }
  }
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length)
  for (const metric of [
    'db_healthy',
    'replica_lag_seconds',
    'replica_files',
    'mirror_lag_seconds',
    'validation_total',
  ]) {
    assert.ok(shown.has(`litestream_${metric}`), metric)
  }
})

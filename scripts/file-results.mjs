// A reporter for `node --test`: at the end of a run, writes one line of JSON for each test file with
// its path, the milliseconds that its tests took together, and the names of the failed ones.

/** Yields the lines; see the Node.js documentation of custom reporters for the events. */
export default async function* fileResults(events) {
  const results = new Map()
  for await (const { type, data } of events) {
    if (type !== 'test:pass' && type !== 'test:fail') continue
    if (data.file === undefined || data.nesting > 0) continue
    const result = results.get(data.file) ?? { file: data.file, milliseconds: 0, failed: [] }
    results.set(data.file, result)
    result.milliseconds += data.details.duration_ms
    if (type === 'test:fail') result.failed.push(data.name)
  }
  for (const result of results.values()) yield `${JSON.stringify(result)}\n`
}

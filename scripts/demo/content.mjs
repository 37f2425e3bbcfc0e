import { createHash } from 'node:crypto'

/** Every table's rows as a count and a hash, in the order of the primary key. */
export function contentOf(db) {
  return db.transaction(() => {
    const names = db
      .prepare(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '_litestream_%' ORDER BY name",
      )
      .pluck()
      .all()
    return names.map((name) => {
      const hash = createHash('sha256')
      let count = 0
      for (const row of db.prepare(`SELECT * FROM "${name}"`).raw().iterate()) {
        hash.update(JSON.stringify(row))
        count++
      }
      return { name, count, hash: hash.digest('hex').slice(0, 16) }
    })
  })()
}

// The reading process of the demo: it has the URI of a replica and stock better-sqlite3, and
// answers its parent's questions.
import { setTimeout as sleep } from 'node:timers/promises'
import Database from 'better-sqlite3'
import { load } from '../../dist/index.js'
import { contentOf } from './content.mjs'

const uri = process.argv[2]
load(new Database(':memory:'))
let db

const stats = () => JSON.parse(db.prepare('SELECT litestream_stats()').pluck().get())
const txid = () => db.prepare('SELECT litestream_txid()').pluck().get()

const answers = {
  open() {
    const started = performance.now()
    db = new Database(uri, { readonly: true })
    db.prepare('SELECT count(*) FROM sqlite_schema').get()
    const ms = performance.now() - started
    const fileSize = db
      .prepare('SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()')
      .pluck()
      .get()
    return { ms, fileSize, fetched: stats().cacheBytes }
  },
  look() {
    // One transaction, so that all figures are of one TXID.
    return db.transaction(() => {
      const { orders, newest } = db.prepare('SELECT count(*) AS orders, max(placed_at) AS newest FROM orders').get()
      const { misses, crossings } = stats()
      return { orders, age: Date.now() - newest, txid: txid(), misses, crossings }
    })()
  },
  warm() {
    const query = db.prepare(
      `SELECT c.name, sum(i.quantity * i.price) AS total FROM customers c JOIN orders o ON o.customer_id = c.id
       JOIN order_items i ON i.order_id = o.id WHERE c.city = 'Lyon' GROUP BY c.id ORDER BY total DESC LIMIT 10`,
    )
    // A transaction keeps the TXID, and with it the pages, the same for both runs.
    return db.transaction(() => {
      const run = () => {
        const started = performance.now()
        query.all()
        return performance.now() - started
      }
      const first = run()
      const before = stats().crossings
      const second = run()
      return { first, second, crossings: stats().crossings - before }
    })()
  },
  async compare(wanted) {
    const deadline = Date.now() + 10_000
    while (txid() < wanted) {
      if (Date.now() > deadline) throw new Error(`TXID ${wanted} has not arrived, ${txid()} has`)
      await sleep(20)
    }
    return { tables: contentOf(db) }
  },
}

process.on('message', async (question) => {
  const [name, argument] = typeof question === 'string' ? [question] : Object.entries(question)[0]
  try {
    process.send(await answers[name](argument))
  } catch (error) {
    process.send({ error: error.stack })
  }
})

/**
 * A small shop: customers, products, orders and their items, with the indexes such a database has.
 * Returns the number of rows.
 */
export function createShop(db) {
  db.pragma('journal_mode = wal')
  db.exec(`
    CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL UNIQUE, city TEXT NOT NULL);
    CREATE TABLE products (id INTEGER PRIMARY KEY, sku TEXT NOT NULL UNIQUE, name TEXT NOT NULL, price INTEGER NOT NULL, notes TEXT);
    CREATE TABLE orders (
      id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customers, placed_at INTEGER NOT NULL, status TEXT NOT NULL);
    CREATE TABLE order_items (
      order_id INTEGER NOT NULL REFERENCES orders, product_id INTEGER NOT NULL REFERENCES products,
      quantity INTEGER NOT NULL, price INTEGER NOT NULL, PRIMARY KEY (order_id, product_id)) WITHOUT ROWID;
    CREATE INDEX customers_city ON customers (city, name);
    CREATE INDEX orders_customer ON orders (customer_id, placed_at);
    CREATE INDEX orders_placed ON orders (placed_at);
    CREATE INDEX items_product ON order_items (product_id);
    CREATE VIEW revenue AS SELECT product_id, sum(quantity * price) AS total FROM order_items GROUP BY product_id;
  `)
  const cities = ['Lyon', 'Porto', 'Gdańsk', 'Bergen', 'Graz', 'Tartu', 'Ghent', 'Turin']
  const customer = db.prepare('INSERT INTO customers (name, email, city) VALUES (?, ?, ?)')
  const product = db.prepare('INSERT INTO products (sku, name, price, notes) VALUES (?, ?, ?, ?)')
  db.transaction(() => {
    for (let i = 1; i <= 5000; i++)
      customer.run(`Customer ${i}`, `customer${i}@example.com`, cities[(i * 7) % cities.length])
    for (let i = 1; i <= 2000; i++)
      product.run(`SKU-${i * 37}`, `Product ${i}`, 100 + ((i * 7919) % 90_000), 'word '.repeat(i % 60))
  })()
  for (let i = 0; i < 40; i++) placeOrders(db, 1000)
  db.pragma('wal_checkpoint(truncate)')
  const tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").pluck().all()
  return tables.reduce((sum, name) => sum + db.prepare(`SELECT count(*) FROM "${name}"`).pluck().get(), 0)
}

let seed = 1
const random = (n) => {
  seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0
  return 1 + (seed % n)
}

/** Places orders of one to four items each, and ships some older ones: one transaction. */
export function placeOrders(db, count) {
  const order = db.prepare("INSERT INTO orders (customer_id, placed_at, status) VALUES (?, ?, 'new')")
  const item = db.prepare('INSERT OR IGNORE INTO order_items SELECT ?, id, ?, price FROM products WHERE id = ?')
  const ship = db.prepare("UPDATE orders SET status = 'shipped' WHERE id = ?")
  db.transaction(() => {
    for (let i = 0; i < count; i++) {
      const id = order.run(random(5000), Date.now()).lastInsertRowid
      for (let n = random(4); n > 0; n--) item.run(id, random(5), random(2000))
      ship.run(random(Number(id)))
    }
  })()
}

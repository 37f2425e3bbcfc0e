import { EntitySchema, MikroORM } from '@mikro-orm/better-sqlite'
import { check } from './harness.mjs'

const Row = new EntitySchema({ name: 'Row', tableName: 't', properties: { x: { type: 'number', primary: true } } })

const open = (dbName, options) => MikroORM.init({ dbName, entities: [Row], driverOptions: { connection: { options } } })

await check({
  async count(name) {
    const orm = await open(name, { readonly: true })
    try {
      return await orm.em.fork().count('Row')
    } finally {
      await orm.close(true)
    }
  },
  async write(file, rows) {
    const orm = await open(file, { timeout: 5000 })
    await orm.em.getConnection().execute('PRAGMA journal_mode = wal')
    await orm.em.getConnection().execute('CREATE TABLE IF NOT EXISTS t (x INTEGER PRIMARY KEY)')
    const em = orm.em.fork()
    for (let i = 0; i < rows; i++) em.create('Row', {})
    await em.flush()
    await orm.close(true)
  },
})

import { DataTypes, QueryTypes, Sequelize, Transaction } from 'sequelize'
import sqlite3 from 'sqlite3'
import { check } from './harness.mjs'

const loader = new sqlite3.Database(':memory:')

const open = (storage, mode) =>
  new Sequelize({ dialect: 'sqlite', storage, logging: false, dialectOptions: { mode: mode | sqlite3.OPEN_URI } })

await check({
  driver: loader,
  async count(name) {
    const sequelize = open(name, sqlite3.OPEN_READONLY)
    // Its close() never ends after a connection that failed, also one to an ordinary file.
    const [{ rows }] = await sequelize.query('SELECT count(*) AS rows FROM t', { type: QueryTypes.SELECT })
    await sequelize.close()
    return rows
  },
  async write(file, rows) {
    const sequelize = open(file, sqlite3.OPEN_READWRITE | sqlite3.OPEN_CREATE)
    await sequelize.query('PRAGMA journal_mode = wal')
    await sequelize.query('PRAGMA busy_timeout = 5000')
    const x = { type: DataTypes.INTEGER, primaryKey: true, autoIncrement: true }
    const Row = sequelize.define('t', { x }, { tableName: 't', timestamps: false })
    await Row.sync()
    await sequelize.transaction({ type: Transaction.TYPES.IMMEDIATE }, async (transaction) => {
      for (let i = 0; i < rows; i++) await Row.create({}, { transaction })
    })
    await sequelize.close()
  },
})
loader.close()

import { createRequire } from 'node:module'
import { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3'
import { check } from './harness.mjs'

const { PrismaClient } = createRequire(import.meta.url)('./generated/index.js')

/** The adapter removes one "file:" from the URL. */
const open = (name, options) =>
  new PrismaClient({ adapter: new PrismaBetterSqlite3({ url: `file:${name}`, ...options }) })

await check({
  async count(name) {
    const prisma = open(name, { readonly: true })
    try {
      return await prisma.row.count()
    } finally {
      await prisma.$disconnect()
    }
  },
  async write(file, rows) {
    const prisma = open(file, { timeout: 5000 })
    await prisma.$queryRawUnsafe('PRAGMA journal_mode = wal')
    await prisma.$executeRawUnsafe('CREATE TABLE IF NOT EXISTS t (x INTEGER PRIMARY KEY)')
    await prisma.$transaction(Array.from({ length: rows }, () => prisma.row.create({ data: {} })))
    await prisma.$disconnect()
  },
})

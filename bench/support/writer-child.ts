// A primary in a process of its own: writes so many small transactions a second to a copy of a database and replicates them.
// Arguments: the database, a directory for the copy, the replica's URL, transactions a second, replicate()'s options as JSON.
import { LivePrimary } from './live-primary.js'

const [file, directory, url, rate, options] = process.argv.slice(2)
const primary = await LivePrimary.start(file!, directory!, url!, JSON.parse(options!))
await primary.replication.sync({ wait: true })
process.send!('ready')
const period = 1000 / Number(rate)
let due = performance.now()
const timer = setInterval(() => {
  for (; Number(rate) > 0 && due <= performance.now(); due += period) primary.write()
}, 5)
process.once('message', async () => {
  clearInterval(timer)
  await primary.close()
  process.disconnect()
})

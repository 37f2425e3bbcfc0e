// replicateOnce() in a separate process: `node once-process.js FILE URL`.
import { replicateOnce } from '../../src/primary/replicate-once.js'

const [file, url] = process.argv.slice(2)
await replicateOnce(file!, url!)
